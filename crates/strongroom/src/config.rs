//! How a store is to be opened: a URL for people, a struct for files.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use strongroom_core::{Compression, Create, Durability, Error, ErrorKind, Options, Result, parse_bytes};
use strongroom_store::{Integrity, StoreOptions};

/// How to open a store. Reads from TOML (or anything serde reads) and from a URL.
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
    /// The engine's name, which is the scheme of a URL.
    pub engine: String,
    /// The store's directory; empty for an engine in memory.
    #[serde(default)]
    pub path: PathBuf,
    /// Create the store if it is not there. Default: true.
    #[serde(default = "yes")]
    pub create: bool,
    /// Refuse every write. Default: false.
    #[serde(default)]
    pub read_only: bool,
    /// Durability of commits that do not say their own. Default: power-safe.
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
    /// Longest key accepted. Default: 1,024 bytes, which is also the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_bytes_max: Option<ByteSize>,
    /// Largest value accepted. Default: 16 MiB, which is also the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_bytes_max: Option<ByteSize>,
    /// Commits that may wait in the queue. Default: 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_bytes_max: Option<ByteSize>,
    /// What may be kept for open snapshots on engines without their own. Default: 256 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_bytes_max: Option<ByteSize>,
    /// What the store can tell about missing rows: rows or full. Default: what it has, or rows if it is created
    /// now; it cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_optional_text")]
    pub integrity: Option<Integrity>,
    /// Open a store whose newest commits are lost, or whose high-water mark is, and go on with what is there.
    /// Default: false.
    #[serde(default)]
    pub accept_lost_tail: bool,
    /// How often expired rows are removed from the disk, in milliseconds; 0: never by itself. Default: 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_interval_ms: Option<u64>,
    /// How long a snapshot, a scan or a transaction may be open, in milliseconds. Default: as long as it likes.
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
    /// The defaults for `engine` in `path`.
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

    /// From a URL, `ENGINE:PATH?NAME=VALUE&...`.
    ///
    /// The path is what stands between the first `:` and the first `?`, taken as it is; one that contains a
    /// `?`, or begins with `//` or `~`, needs the struct. Names are those of the fields, and `option.NAME` for an option of the engine.
    /// Values may be percent-encoded.
    pub fn from_url(url: &str) -> Result<Self> {
        let (engine, rest) = url.split_once(':').ok_or_else(|| {
            invalid(format!("{url:?} names no engine")).hint("write ENGINE:PATH, such as redb:./data")
        })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        check_path(path)?;
        let mut config = Self::new(engine, path);
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                invalid(format!("the parameter {pair:?} has no value")).hint("write NAME=VALUE")
            })?;
            if seen.contains(&name) {
                return Err(invalid(format!("the parameter {name:?} is given twice")).hint("give it once"));
            }
            seen.push(name);
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| invalid(format!("the value of {name:?} is not UTF-8 when decoded")))?;
            config.set(name, &value)?;
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let size = || parse_bytes(value).map(ByteSize);
        match name {
            "create" => self.create = flag(name, value)?,
            "read_only" => self.read_only = flag(name, value)?,
            "durability" => self.durability = value.parse()?,
            "cache" => self.cache = Some(size()?),
            "compression" => self.compression = Some(value.parse()?),
            "background_threads" => self.background_threads = Some(count(name, value)?),
            "key_bytes_max" => self.key_bytes_max = Some(size()?),
            "value_bytes_max" => self.value_bytes_max = Some(size()?),
            "queue_bytes_max" => self.queue_bytes_max = Some(size()?),
            "undo_bytes_max" => self.undo_bytes_max = Some(size()?),
            "integrity" => self.integrity = Some(value.parse()?),
            "accept_lost_tail" => self.accept_lost_tail = flag(name, value)?,
            "sweep_interval_ms" => self.sweep_interval_ms = Some(count(name, value)?),
            "snapshot_age_max_ms" => self.snapshot_age_max_ms = Some(count(name, value)?),
            _ => match name.strip_prefix("option.") {
                Some(option) if !option.is_empty() => {
                    self.options.insert(option.to_owned(), value.to_owned());
                }
                _ => {
                    return Err(invalid(format!("there is no parameter {name:?}")).hint(
                        "use create, read_only, durability, cache, compression, background_threads, \
                         key_bytes_max, value_bytes_max, queue_bytes_max, undo_bytes_max, integrity, \
                         accept_lost_tail, sweep_interval_ms, snapshot_age_max_ms or option.NAME",
                    ));
                }
            },
        }
        Ok(())
    }

    /// Sets whether to create the store if it is not there.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets the durability of commits that do not say their own.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets what the store can tell about missing rows.
    #[must_use]
    pub fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = Some(integrity);
        self
    }

    /// Sets whether to go on without commits that are lost.
    #[must_use]
    pub fn accept_lost_tail(mut self, accept: bool) -> Self {
        self.accept_lost_tail = accept;
        self
    }

    /// The options of the backend under a store.
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

impl FromStr for Config {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// Refuses paths that would become another directory than was meant, and create it.
fn check_path(path: &str) -> Result<()> {
    let (start, hint) = if path.starts_with("//") {
        ("//", "write redb:/absolute or redb:relative: there is no host")
    } else if path.starts_with('~') {
        ("~", "the shell does not expand it there; write the home directory out")
    } else {
        return Ok(());
    };
    Err(invalid(format!("the path {path:?} begins with {start}")).hint(hint))
}

fn flag(name: &str, value: &str) -> Result<bool> {
    value.parse().map_err(|_| invalid(format!("{name} cannot be {value:?}")).hint("write true or false"))
}

fn count<N: FromStr>(name: &str, value: &str) -> Result<N> {
    value
        .parse()
        .map_err(|_| invalid(format!("{name} cannot be {value:?}")).hint("write a whole number, such as 2"))
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

/// As [`as_text`], for what need not be given.
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

/// Core knows nothing of serde; its durability is text in files.
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
    fn a_url_says_what_a_file_says() {
        let url = "fjall:/srv/data?create=false&durability=buffered&cache=64MiB&compression=lz4&background_threads=2&integrity=full&accept_lost_tail=true&sweep_interval_ms=50&snapshot_age_max_ms=60000&option.max_cached_files=50";
        let file = r#"
            engine = "fjall"
            path = "/srv/data"
            create = false
            durability = "buffered"
            cache = 67108864
            compression = "lz4"
            background_threads = 2
            integrity = "full"
            accept_lost_tail = true
            sweep_interval_ms = 50
            snapshot_age_max_ms = 60000
            [options]
            max_cached_files = "50"
        "#;
        let from_url = Config::from_url(url).unwrap();
        assert_eq!(from_url, toml::from_str(file).unwrap());
        assert_eq!(from_url.options["max_cached_files"], "50");
        assert_eq!(from_url.backend_options().create, Create::Never);
        let store_options = from_url.store_options().unwrap();
        assert_eq!((store_options.integrity, store_options.accept_lost_tail), (Some(Integrity::Full), true));
        assert_eq!(store_options.sweep_interval_ms, 50);
        assert_eq!(store_options.snapshot_age_max, Some(Duration::from_secs(60)));
    }

    #[test]
    fn the_path_is_taken_as_it_is() {
        assert_eq!(Config::from_url(r"redb:C:\data 100%").unwrap().path, PathBuf::from(r"C:\data 100%"));
        assert_eq!(Config::from_url("redb:a%20b?option.x=a%20b").unwrap().path, PathBuf::from("a%20b"));
        assert_eq!(Config::from_url("redb:a?option.x=a%20b").unwrap().options["x"], "a b");
    }

    #[test]
    fn mistakes_are_named() {
        for (url, named) in [
            ("data", "names no engine"),
            ("redb:d?cache=lots", "lots"),
            ("redb:d?cach=1", "cach"),
            ("redb:d?cache", "cache"),
            ("redb:d?cache=1&cache=2", "twice"),
            ("redb:d?durability=maybe", "maybe"),
            ("redb:d?create=perhaps", "perhaps"),
            ("redb:d?integrity=all", "use rows or full"),
            ("redb:d?accept_lost_tail=maybe", "maybe"),
            ("redb:d?option.=1", "option."),
            ("redb:d?compression=gzip", "gzip"),
            ("redb:d?background_threads=-1", "-1"),
            ("redb://data", "there is no host"),
            ("redb:///srv/data", "there is no host"),
            ("redb:~/data", "write the home directory out"),
            ("redb:~someone/data?cache=1MiB", "write the home directory out"),
        ] {
            let error = Config::from_url(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
            assert!(error.to_string().contains(named), "{url}: {error}");
        }
        assert!(toml::from_str::<Config>("engine = 'redb'\npth = 'x'").is_err());
        assert!(toml::from_str::<Config>("engine = 'redb'\ncache = -1").is_err());
        assert!(toml::from_str::<Config>("engine = 'redb'\nintegrity = 'all'").is_err());
    }

    #[test]
    fn sizes_print_what_they_read() {
        for text in ["0B", "1KiB", "1025B", "256MiB", "3GiB"] {
            assert_eq!(ByteSize(parse_bytes(text).unwrap()).to_string(), text);
        }
    }
}
