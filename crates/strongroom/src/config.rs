//! How to open a store, as a struct that serde reads from files. `url` reads it from a URL.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use strongroom_core::{Compression, Create, Durability, Error, ErrorKind, Options, Result, parse_bytes};
use strongroom_store::{Integrity, StoreOptions};

/// How to open a store. It reads from TOML, from any other format of serde, and from a URL.
///
/// ```
/// use strongroom::Config;
///
/// let from_file: Config = toml::from_str(r#"
///     engine = "redb"
///     path = "./data"
///     cache = "256MiB"
/// "#)?;
/// assert_eq!(from_file, Config::from_url("redb:./data?cache=256MiB")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The engine's name, which is also the scheme of a URL.
    pub engine: String,
    /// The store's directory; empty for an engine in memory.
    #[serde(default)]
    pub path: PathBuf,
    /// Create the store if it does not exist. Default: true.
    #[serde(default = "yes")]
    pub create: bool,
    /// Refuse every write. Default: false.
    #[serde(default)]
    pub read_only: bool,
    /// Durability of commits that give none. Default: power-safe.
    #[serde(default, with = "as_text")]
    pub durability: Durability,
    /// Memory for the engine's cache. Default: the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ByteSize>,
    /// How the engine compresses its files: none, lz4 or zstd. Default: the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_text")]
    pub compression: Option<Compression>,
    /// Threads with which the engine flushes and compacts. Default: the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_threads: Option<usize>,
    /// Longest key accepted. Default: 1,024 bytes, which is also the maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_bytes_max: Option<ByteSize>,
    /// Largest value accepted. Default: 16 MiB, which is also the maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_bytes_max: Option<ByteSize>,
    /// Size of the commits that may wait in the queue. Default: 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_bytes_max: Option<ByteSize>,
    /// Memory for the old values that open snapshots need, on engines without snapshots of their own. Default: 256
    /// MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_bytes_max: Option<ByteSize>,
    /// Which missing rows the store can detect: rows or full. It cannot change after the creation. Default: the
    /// store's own setting; rows for a new store.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_text")]
    pub integrity: Option<Integrity>,
    /// Open a store that has lost its newest commits or its high-water mark, with the commits that are left. Default:
    /// false.
    #[serde(default)]
    pub accept_lost_tail: bool,
    /// How often expired rows are removed from the disk, in milliseconds; 0: only by
    /// [`Store::sweep`](crate::Store::sweep). Default: 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_interval_ms: Option<u64>,
    /// How long a snapshot, a scan or a transaction may be open, in milliseconds. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_age_max_ms: Option<u64>,
    /// Options of the engine, by its own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A size in bytes. In text with an optional unit, `256MiB`; in files also as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Config {
    /// Returns the defaults for `engine` in `path`.
    pub fn new(engine: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            engine: engine.into(),
            path: path.into(),
            create: true,
            read_only: false,
            durability: Durability::PowerSafe,
            cache: None,
            compression: None,
            background_threads: None,
            key_bytes_max: None,
            value_bytes_max: None,
            queue_bytes_max: None,
            undo_bytes_max: None,
            integrity: None,
            accept_lost_tail: false,
            sweep_interval_ms: None,
            snapshot_age_max_ms: None,
            options: BTreeMap::new(),
        }
    }

    /// Sets whether to create the store if it does not exist.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets the durability of commits that give none.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets which missing rows the store can detect.
    #[must_use]
    pub fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = Some(integrity);
        self
    }

    /// Sets whether to open a store that has lost its newest commits.
    #[must_use]
    pub fn accept_lost_tail(mut self, accept: bool) -> Self {
        self.accept_lost_tail = accept;
        self
    }

    /// Returns the options of the backend under a store.
    pub(crate) fn backend_options(&self) -> Options {
        let create = if self.create && !self.read_only { Create::IfMissing } else { Create::Never };
        let mut options = Options::new().create(create);
        options.cache_bytes = self.cache.map(|size| size.0);
        options.compression = self.compression;
        options.background_threads = self.background_threads;
        options.read_only = self.read_only;
        options.undo_bytes_max = self.undo_bytes_max.map(|size| size.0);
        options.engine.clone_from(&self.options);
        options
    }

    pub(crate) fn store_options(&self) -> Result<StoreOptions> {
        let mut options =
            StoreOptions::new().durability(self.durability).accept_lost_tail(self.accept_lost_tail);
        options.integrity = self.integrity;
        options.sweep_interval_ms = self.sweep_interval_ms.unwrap_or(options.sweep_interval_ms);
        options.snapshot_age_max = self.snapshot_age_max_ms.map(Duration::from_millis);
        let fit = |size: ByteSize| {
            usize::try_from(size.0)
                .map_err(|_| invalid(format!("{size} is more than this machine can address")))
        };
        if let Some(size) = self.key_bytes_max {
            options.key_bytes_max = fit(size)?;
        }
        if let Some(size) = self.value_bytes_max {
            options.value_bytes_max = fit(size)?;
        }
        if let Some(size) = self.queue_bytes_max {
            options.queue_bytes_max = fit(size)?;
        }
        Ok(options)
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

fn yes() -> bool {
    true
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let whole = units.iter().find(|(shift, _)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        match whole {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size such as \"256MiB\"")
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes).map(ByteSize).map_err(|_| E::custom("a size cannot be negative"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                parse_bytes(text).map(ByteSize).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// As [`as_text`], for an optional value.
mod as_optional_text {
    use super::{Deserialize, Deserializer, Error, FromStr, Serializer, de, fmt};

    #[allow(clippy::ref_option)] // The signature is serde's.
    pub(super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr<Err = Error>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Serializes a durability as text: core has no serde for options.
mod as_text {
    use super::{Deserialize, Deserializer, Durability, Serializer, de};

    #[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
    pub(super) fn serialize<S: Serializer>(value: &Durability, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Durability, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_file_are_refused() {
        assert!(toml::from_str::<Config>("engine = 'redb'\npth = 'x'").is_err());
        assert!(toml::from_str::<Config>("engine = 'redb'\ncache = -1").is_err());
        assert!(toml::from_str::<Config>("engine = 'redb'\nintegrity = 'all'").is_err());
    }

    #[test]
    fn options_of_the_engine_are_a_table() {
        let config: Config = toml::from_str("engine = 'fjall'\n[options]\nmax_cached_files = '50'").unwrap();
        assert_eq!(config.backend_options().engine["max_cached_files"], "50");
    }

    #[test]
    fn a_read_only_store_is_not_created() {
        let mut config = Config::new("redb", "data");
        assert_eq!(config.backend_options().create, Create::IfMissing);
        config.read_only = true;
        assert_eq!(config.backend_options().create, Create::Never);
    }

    #[test]
    fn sizes_print_what_they_read() {
        for text in ["0B", "1KiB", "1025B", "256MiB", "3GiB"] {
            assert_eq!(ByteSize(parse_bytes(text).unwrap()).to_string(), text);
        }
    }
}
