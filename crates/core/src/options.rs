//! Options that are common to all engines, and a map for the engine's own.

use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How to open a backend. Each engine converts these into its own typed options. It refuses what it cannot
/// honour and ignores nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Options {
    /// Whether to create a missing store.
    pub create: Create,
    /// Size of the engine's cache, in bytes. None: the engine's own default.
    pub cache_bytes: Option<u64>,
    /// How the engine compresses rows that it writes from now on. Existing rows stay readable. None: the
    /// engine's own default.
    pub compression: Option<Compression>,
    /// Number of threads for the engine's flushes and compactions, at least 1. None: the engine's own default.
    pub background_threads: Option<usize>,
    /// Refuse every write through this handle, and create nothing, whatever [`create`](Self::create) says. The
    /// engine itself may still recover its files.
    pub read_only: bool,
    /// How to open a directory that is marked as a store.
    pub marked: Marked,
    /// Bound on the memory for old values that open snapshots need, in bytes, for engines without snapshots of
    /// their own. None: [`UNDO_BYTES_MAX_DEFAULT`].
    pub undo_bytes_max: Option<u64>,
    /// The engine's own options, by its own names.
    pub engine: BTreeMap<String, String>,
}

/// Default of [`Options::undo_bytes_max`]: 256 MiB.
pub const UNDO_BYTES_MAX_DEFAULT: u64 = 256 * 1_024 * 1_024;

impl Options {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of the cache in bytes.
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

    /// Sets the number of threads for flushes and compactions.
    #[must_use]
    pub fn background_threads(mut self, threads: usize) -> Self {
        self.background_threads = Some(threads);
        self
    }

    /// Sets whether to create a missing store.
    #[must_use]
    pub fn create(mut self, create: Create) -> Self {
        self.create = create;
        self
    }

    /// Makes the handle refuse writes.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets how to open a marked directory.
    #[must_use]
    pub fn marked(mut self, marked: Marked) -> Self {
        self.marked = marked;
        self
    }

    /// Sets one of the engine's own options, by its name.
    #[must_use]
    pub fn engine_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.engine.insert(name.into(), value.into());
        self
    }

    /// Sets the bound on the memory for open snapshots, in bytes.
    #[must_use]
    pub fn undo_bytes_max(mut self, bytes: u64) -> Self {
        self.undo_bytes_max = Some(bytes);
        self
    }
}

/// Whether opening may create a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Create {
    /// Create the store if it is missing.
    #[default]
    IfMissing,
    /// Return [`NotFound`](ErrorKind::NotFound) if the store is missing, and change nothing.
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
    /// Returns `none`, `lz4` or `zstd`.
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

/// How a raw backend opens a directory that is marked as a store. A raw write below a [`Store`] would break its
/// checksums and versions.
///
/// [`Store`]: https://docs.rs/strongroom
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Marked {
    /// Open it read-only. [`InvalidInput`](ErrorKind::InvalidInput) if this engine's files are missing.
    #[default]
    ReadOnly,
    /// Open it for writing. Only a store may do this.
    Writable,
    /// As `Writable`, for a store whose creation was interrupted. Nothing in it was ever acknowledged, so an
    /// engine that cannot continue from its partial files may start over.
    Unfinished,
}

/// Reads the engine's own options by name, and refuses unknown and malformed ones.
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

    /// Returns the value of option `name`, if it was given.
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

    /// Returns a size in bytes with an optional unit (`64MiB`), if it was given.
    pub fn take_bytes(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.known.push(name);
        self.given.get(name).map(|text| parse_bytes(text)).transpose()
    }

    /// Refuses every option that was given but not taken.
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

/// Parses a size in bytes: a whole number with an optional unit `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB` or `B`.
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
        Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a valid size"))
            .hint("write a whole number with B, KiB, MiB, GiB, KB, MB or GB, such as 256MiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_malformed_options_are_refused() {
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
