//! Options that are common to all engines, and the way to those that are not.

use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How to open a backend. Each engine turns these into typed options of its own, and refuses what it
/// cannot honour instead of ignoring it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Options {
    /// Whether to create what is not there.
    pub create: Create,
    /// Memory for the engine's cache, in bytes. None: the engine's own default.
    pub cache_bytes: Option<u64>,
    /// How the engine compresses rows in its files, from now on; what is there stays readable. None: the
    /// engine's own default.
    pub compression: Option<Compression>,
    /// Threads with which the engine flushes and compacts, at least 1. None: the engine's own default.
    pub background_threads: Option<usize>,
    /// Refuse every write through this handle, and create nothing, whatever [`create`](Self::create) says.
    /// (The engine itself may still recover its files.)
    pub read_only: bool,
    /// What to do about a directory that is marked as a store.
    pub marked: Marked,
    /// Bound on the memory that keeps old values for open snapshots, for engines without snapshots of
    /// their own, in bytes. None: [`UNDO_BYTES_MAX_DEFAULT`].
    pub undo_bytes_max: Option<u64>,
    /// Options of the engine itself, by its own names.
    pub engine: BTreeMap<String, String>,
}

/// Default of [`Options::undo_bytes_max`]: 256 MiB.
pub const UNDO_BYTES_MAX_DEFAULT: u64 = 256 * 1_024 * 1_024;

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the cache's size in bytes.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Sets how the engine compresses.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Sets how many threads the engine flushes and compacts with.
    #[must_use]
    pub fn background_threads(mut self, threads: usize) -> Self {
        self.background_threads = Some(threads);
        self
    }

    /// Sets whether to create what is not there.
    #[must_use]
    pub fn create(mut self, create: Create) -> Self {
        self.create = create;
        self
    }

    /// Refuses writes through this handle.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets what to do about a marked directory.
    #[must_use]
    pub fn marked(mut self, marked: Marked) -> Self {
        self.marked = marked;
        self
    }

    /// Sets an option of the engine by its own name.
    #[must_use]
    pub fn engine_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.engine.insert(name.into(), value.into());
        self
    }

    /// Bound on what is kept for open snapshots, in bytes.
    #[must_use]
    pub fn undo_bytes_max(mut self, bytes: u64) -> Self {
        self.undo_bytes_max = Some(bytes);
        self
    }
}

/// Whether opening may create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Create {
    /// Create if it is not there.
    #[default]
    IfMissing,
    /// Answer [`NotFound`](ErrorKind::NotFound) if it is not there, and touch nothing.
    Never,
}

/// How an engine compresses rows in its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4: fast.
    Lz4,
    /// Zstandard: small.
    Zstd,
}

impl Compression {
    /// `none`, `lz4` or `zstd`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::None, Self::Lz4, Self::Zstd].into_iter().find(|known| known.as_str() == text).ok_or_else(
            || {
                Error::new(ErrorKind::InvalidInput, format!("compression cannot be {text:?}"))
                    .hint("use none, lz4 or zstd")
            },
        )
    }
}

/// What a raw backend does in a directory that is marked as a store: writing beneath a [`Store`] would
/// break its checksums and versions.
///
/// [`Store`]: https://docs.rs/strongroom
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Marked {
    /// Open it read-only. [`InvalidInput`](ErrorKind::InvalidInput) if this engine's files are not there.
    #[default]
    ReadOnly,
    /// Open it for writing. Only a store does this rightly.
    Writable,
    /// As `Writable`, in the directory of a store whose creation was cut short. Nothing in it was ever
    /// acknowledged, so an engine that cannot go on with what is left of its own files may begin again.
    Unfinished,
}

/// Reads engine options by name, and says so when one is unknown or unreadable.
///
/// ```
/// use strongroom_core::{EngineOptions, Options};
///
/// let options = Options::new().engine_option("worker_threads", "2");
/// let mut reader = EngineOptions::new("fjall", &options);
/// assert_eq!(reader.take::<usize>("worker_threads")?, Some(2));
/// reader.finish()?;
/// # Ok::<(), strongroom_core::Error>(())
/// ```
#[derive(Debug)]
pub struct EngineOptions<'o> {
    engine: &'static str,
    given: &'o BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<'o> EngineOptions<'o> {
    /// Reads the engine options in `options`.
    pub fn new(engine: &'static str, options: &'o Options) -> Self {
        Self { engine, given: &options.engine, known: Vec::new() }
    }

    /// The value of option `name`, if it was given.
    pub fn take<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>> {
        self.known.push(name);
        let Some(text) = self.given.get(name) else { return Ok(None) };
        let unreadable = |_| {
            Error::new(ErrorKind::InvalidInput, format!("option {name} cannot be {text:?}"))
                .hint("see the engine's options in its documentation")
                .at(self.engine, "open")
        };
        text.parse().map(Some).map_err(unreadable)
    }

    /// A size in bytes with an optional unit (`64MiB`), if it was given.
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.known.push(name);
        self.given.get(name).map(|text| parse_bytes(text)).transpose()
    }

    /// Refuses every option that nobody asked for.
    pub fn finish(self) -> Result<()> {
        let Some(unknown) = self.given.keys().find(|name| !self.known.contains(&name.as_str())) else {
            return Ok(());
        };
        let known = if self.known.is_empty() { "none".into() } else { self.known.join(", ") };
        Err(Error::new(ErrorKind::InvalidInput, format!("there is no engine option {unknown:?}"))
            .hint(format!("known options: {known}"))
            .at(self.engine, "open"))
    }
}

/// Reads a size in bytes: a whole number, with an optional unit `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`
/// or `B`.
///
/// ```
/// use strongroom_core::parse_bytes;
///
/// assert_eq!(parse_bytes("256MiB")?, 256 * 1024 * 1024);
/// assert_eq!(parse_bytes("1000")?, 1000);
/// assert!(parse_bytes("many").is_err());
/// # Ok::<(), strongroom_core::Error>(())
/// ```
pub fn parse_bytes(text: &str) -> Result<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, format!("{text:?} is no size"))
            .hint("write a whole number with B, KiB, MiB, GiB, KB, MB or GB, such as 256MiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_unreadable_options_are_refused() {
        let options = Options::new().engine_option("threads", "two").engine_option("typo", "1");
        let mut reader = EngineOptions::new("fjall", &options);
        let unreadable = reader.take::<usize>("threads").unwrap_err();
        assert_eq!(unreadable.kind(), ErrorKind::InvalidInput);
        let unknown = reader.finish().unwrap_err();
        assert!(unknown.to_string().contains("\"typo\""), "{unknown}");
        assert!(unknown.to_string().contains("threads"), "{unknown}");
    }

    #[test]
    fn sizes_that_overflow_or_have_no_number_are_refused() {
        for text in ["", "MiB", "-1", "1.5GiB", "99999999999999999999", "99999999999GiB", "1 TiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
