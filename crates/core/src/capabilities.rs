//! What an engine can do beyond the contract: a short list, on purpose.
//!
//! Everything else in the contract holds on every engine. Each declared capability is tested. An operation
//! without its capability returns [`Unsupported`](crate::ErrorKind::Unsupported).

use crate::limits;
use crate::options::{Compression, Options};
use crate::{Error, ErrorKind, Result};

/// The declared capabilities of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // It is a list of independent flags.
pub struct Capabilities {
    /// Commits can be read again after the backend was closed and reopened.
    pub persistent: bool,
    /// A [`PowerSafe`](crate::Durability::PowerSafe) commit survives the loss of power.
    pub power_safe: bool,
    /// [`checkpoint`](crate::StorageBackend::checkpoint) makes a copy that can be opened, concurrently with
    /// writers.
    pub checkpoint: bool,
    /// [`compact`](crate::StorageBackend::compact) reclaims space.
    pub compaction: bool,
    /// [`verify`](crate::StorageBackend::verify) runs the engine's own integrity check.
    pub integrity_check: bool,
    /// Other processes may open the store read-only while one process writes, and see its commits.
    pub shared_reads: bool,
}

impl Capabilities {
    /// Returns the name and value of each capability, in the order of the tables in docs and output.
    pub fn rows(&self) -> [(&'static str, bool); 6] {
        [
            ("persistent", self.persistent),
            ("power_safe", self.power_safe),
            ("checkpoint", self.checkpoint),
            ("compaction", self.compaction),
            ("integrity_check", self.integrity_check),
            ("shared_reads", self.shared_reads),
        ]
    }
}

/// The engine that a backend adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineInfo {
    /// The engine's name, which is also the scheme of its URLs: `redb`.
    pub name: &'static str,
    /// The engine's version: `4.6`.
    pub version: &'static str,
    /// How snapshots are made: `engine` (the engine's own MVCC) or `undo overlay`.
    pub snapshots: &'static str,
    /// The capabilities.
    pub capabilities: Capabilities,
    /// Which of the common options the engine honours.
    pub tuning: Tuning,
    /// The limits of one batch.
    pub batch: BatchLimits,
    /// Why power-safe commits are not claimed, in a few words. Empty if they are.
    pub unclaimed: &'static str,
}

/// The limits of one batch, for engines that need far more memory than the batch has bytes. At most
/// [`limits::BATCH_BYTES_MAX`].
///
/// A larger batch is refused with [`InvalidInput`](ErrorKind::InvalidInput) before the engine sees it. A store
/// adds to each batch: some bytes per value, an operation for each row that expires, and a few operations for
/// the whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchLimits {
    /// The most operations.
    pub ops_max: usize,
    /// The most bytes of keys and values together.
    pub bytes_max: usize,
}

impl BatchLimits {
    /// Only the limits that every engine has. For an engine whose memory use is proportional to the batch.
    pub const NONE: Self = Self { ops_max: usize::MAX, bytes_max: limits::BATCH_BYTES_MAX };

    /// Returns the stricter of each limit.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self { ops_max: self.ops_max.min(other.ops_max), bytes_max: self.bytes_max.min(other.bytes_max) }
    }

    /// Refuses a batch that `engine` cannot take.
    pub(crate) fn check(&self, engine: &str, ops: usize, bytes: usize) -> Result<()> {
        let Self { ops_max, bytes_max } = *self;
        let message = if ops > ops_max {
            format!("the batch has {ops} operations, and {engine} takes {ops_max} at most")
        } else if bytes > bytes_max {
            format!("the batch has {bytes} bytes, and {engine} takes {bytes_max} at most")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, message).hint("commit smaller batches"))
    }
}

/// Which of the common [`Options`] an engine honours. Opening refuses the others; they are never ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// [`cache_bytes`](Options::cache_bytes): the engine has its own bounded cache.
    pub cache: bool,
    /// [`compression`](Options::compression): how the engine can compress the rows in its files.
    pub compression: &'static [Compression],
    /// [`background_threads`](Options::background_threads): the engine has background threads, and their number
    /// can be set.
    pub background_threads: bool,
}

impl Tuning {
    /// Nothing can be tuned.
    pub const NONE: Self =
        Self { cache: false, compression: &[Compression::None], background_threads: false };

    /// Refuses options that the engine cannot honour.
    pub(crate) fn check(&self, engine: &str, options: &Options) -> Result<()> {
        if options.cache_bytes.is_some() && !self.cache {
            return Err(unsupported(format!("{engine} has no cache of configurable size"))
                .hint("leave the cache size out"));
        }
        if let Some(asked) = options.compression.filter(|asked| !self.compression.contains(asked)) {
            let can: Vec<_> = self.compression.iter().map(|can| can.as_str()).collect();
            return Err(unsupported(format!("{engine} does not compress with {asked}"))
                .hint(format!("use {}", can.join(" or "))));
        }
        match options.background_threads {
            Some(0) => Err(Error::new(ErrorKind::InvalidInput, "background_threads is zero")
                .hint("use 1 or more, or leave it out")),
            Some(_) if !self.background_threads => {
                Err(unsupported(format!("{engine} has no configurable background threads"))
                    .hint("leave background_threads out"))
            }
            _ => Ok(()),
        }
    }
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_limited_in_operations_and_bytes() {
        let (ops, bytes) = (2, 12);
        let check = |ops_max, bytes_max| BatchLimits { ops_max, bytes_max }.check("fake", ops, bytes);
        assert!(check(ops, bytes).is_ok() && BatchLimits::NONE.check("fake", ops, bytes).is_ok());
        for (ops_max, bytes_max, text) in [(1, bytes, "2 operations"), (ops, 11, "12 bytes")] {
            let error = check(ops_max, bytes_max).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(text) && error.to_string().contains("fake"), "{error}");
        }
        let strict = BatchLimits { ops_max: 1, bytes_max: 100 };
        let small = BatchLimits { ops_max: 5, bytes_max: 10 };
        assert_eq!(strict.both(small), BatchLimits { ops_max: 1, bytes_max: 10 });
    }
}
