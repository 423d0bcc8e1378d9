//! What an engine can do beyond what every engine must: a short list, on purpose.
//!
//! Everything else in the contract holds on every engine. What a backend declares here is tested; what
//! it does not declare must answer [`Unsupported`](crate::ErrorKind::Unsupported).

use crate::limits;
use crate::options::{Compression, Options};
use crate::{Error, ErrorKind, Result};

/// The declared capabilities of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // A list of yes and no is what it is.
pub struct Capabilities {
    /// What is written can be found again after the backend was closed and opened.
    pub persistent: bool,
    /// A [`PowerSafe`](crate::Durability::PowerSafe) commit survives the loss of power.
    pub power_safe: bool,
    /// [`checkpoint`](crate::StorageBackend::checkpoint) makes a copy that can be opened, while writers go on.
    pub checkpoint: bool,
    /// [`compact`](crate::StorageBackend::compact) gives space back.
    pub compaction: bool,
    /// [`verify`](crate::StorageBackend::verify) has the engine check its own files.
    pub integrity_check: bool,
    /// Other processes may open it read-only while one writes, and see what that one commits.
    pub shared_reads: bool,
}

impl Capabilities {
    /// Name and value of each, in the order of the tables in docs and output.
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

/// Which engine a backend adapts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EngineInfo {
    /// The engine's name, which is also the scheme of its URLs: `redb`.
    pub name: &'static str,
    /// The engine's version: `4.6`.
    pub version: &'static str,
    /// How snapshots come about: `engine` (MVCC of its own) or `undo overlay`.
    pub snapshots: &'static str,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which of the common options it honours.
    pub tuning: Tuning,
    /// What one batch may hold.
    pub batch: BatchLimits,
    /// Why no power-safe commits are claimed, in a few words; empty where they are.
    pub unclaimed: &'static str,
}

/// What one batch may hold at most: less than [`limits::BATCH_BYTES_MAX`] on an engine that would need far more memory
/// than the batch has bytes.
///
/// A larger batch is refused with [`InvalidInput`](ErrorKind::InvalidInput) before the engine sees it. A store adds
/// to what it is given: some bytes to each value, an operation for each row that expires, and a few for the batch as a
/// whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchLimits {
    /// Operations.
    pub ops_max: usize,
    /// Keys and values together, in bytes.
    pub bytes_max: usize,
}

impl BatchLimits {
    /// Of an engine that needs memory in proportion to the batch: none but that of all.
    pub const NONE: Self = Self { ops_max: usize::MAX, bytes_max: limits::BATCH_BYTES_MAX };

    /// The stricter of each.
    #[must_use]
    pub fn both(self, other: Self) -> Self {
        Self { ops_max: self.ops_max.min(other.ops_max), bytes_max: self.bytes_max.min(other.bytes_max) }
    }

    /// Refuses what `engine` cannot take in one batch.
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

/// Which of the common [`Options`] an engine honours. What it cannot honour is refused when it is opened,
/// never ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// [`cache_bytes`](Options::cache_bytes): it has a cache of its own, with a bound.
    pub cache: bool,
    /// [`compression`](Options::compression): what it can do with the rows in its files.
    pub compression: &'static [Compression],
    /// [`background_threads`](Options::background_threads): it has such threads, and their number can be set.
    pub background_threads: bool,
}

impl Tuning {
    /// Of an engine that has nothing to tune.
    pub const NONE: Self =
        Self { cache: false, compression: &[Compression::None], background_threads: false };

    /// Refuses what cannot be honoured.
    pub(crate) fn check(&self, engine: &str, options: &Options) -> Result<()> {
        if options.cache_bytes.is_some() && !self.cache {
            return Err(unsupported(format!("{engine} has no cache whose size could be set"))
                .hint("leave the cache's size out"));
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
                Err(unsupported(format!("{engine} has no background threads whose number could be set"))
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
    fn a_batch_is_measured_in_operations_and_bytes() {
        let (ops, bytes) = (2, 12);
        let check = |ops_max, bytes_max| BatchLimits { ops_max, bytes_max }.check("pretend", ops, bytes);
        assert!(check(ops, bytes).is_ok() && BatchLimits::NONE.check("pretend", ops, bytes).is_ok());
        for (ops_max, bytes_max, told) in [(1, bytes, "2 operations"), (ops, 11, "12 bytes")] {
            let error = check(ops_max, bytes_max).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(told) && error.to_string().contains("pretend"), "{error}");
        }
        let strict = BatchLimits { ops_max: 1, bytes_max: 100 };
        let small = BatchLimits { ops_max: 5, bytes_max: 10 };
        assert_eq!(strict.both(small), BatchLimits { ops_max: 1, bytes_max: 10 });
    }
}
