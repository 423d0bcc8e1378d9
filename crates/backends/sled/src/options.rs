//! The typed options of sled.

use std::str::FromStr;
use strongroom_core::{EngineOptions, Error, ErrorKind, Options, Result, TypedOptions};

/// Default cache size of this adapter: 128 MiB. (sled's own default is 1 GiB.)
pub const CACHE_BYTES_DEFAULT: u64 = 128 * 1_024 * 1_024;

/// sled panics with less.
const CACHE_BYTES_MIN: u64 = 256;

/// Default of [`SledOptions::flush_every_ms`].
pub const FLUSH_EVERY_MS_DEFAULT: u64 = 500;

/// Default of [`SledOptions::close_wait_ms`].
pub const CLOSE_WAIT_MS_DEFAULT: u64 = 30_000;

/// How to open sled.
///
/// ```
/// use strongroom_core::{Options, TypedOptions};
/// use strongroom_sled::{SledMode, SledOptions};
///
/// let typed = SledOptions::default().mode(SledMode::HighThroughput).segment_size(1 << 20);
/// let by_name = Options::new().engine_option("mode", "high_throughput").engine_option("segment_size", "1MiB");
/// assert_eq!(SledOptions::from_options(&by_name)?.mode, typed.mode);
/// # Ok::<(), strongroom_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SledOptions {
    /// The common options. `cache_bytes` is sled's `cache_capacity`; if unset, it is [`CACHE_BYTES_DEFAULT`].
    pub common: Options,
    /// sled's `mode`: less space or more throughput.
    pub mode: SledMode,
    /// sled's `segment_size` in bytes: a power of two from 256 B to 16 MiB, fixed when the store is created.
    /// None: sled's default, 512 KiB. A value over a quarter of it becomes a file of its own.
    pub segment_size: Option<u64>,
    /// How often a thread of the adapter flushes buffered commits, in milliseconds. None: never; a killed process
    /// then loses everything in sled's buffer, up to a segment, however old. It hands them to the operating system;
    /// where sled's files are not written through, only a `flush` of the store syncs them. Default:
    /// [`FLUSH_EVERY_MS_DEFAULT`].
    pub flush_every_ms: Option<u64>,
    /// How long dropping the last handle waits for sled to close, in milliseconds. Closing writes the data that
    /// is still in sled's buffers. A sled whose threads have died, after a panic or an error, never finishes.
    /// It is then left behind, with its files locked until the process ends, and listed by
    /// [`left_behind`](strongroom_core::left_behind). Default: [`CLOSE_WAIT_MS_DEFAULT`].
    pub close_wait_ms: u64,
    /// Write sled's files through, which [`PowerSafe`](strongroom_core::Durability::PowerSafe) commits require:
    /// see the crate's section on durability. Default: yes, if the file system can. `false`: buffered commits
    /// cost less, especially large ones, and power-safe ones are refused.
    pub write_through: bool,
}

/// sled's trade-off between space and throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SledMode {
    /// Rewrite more, to use less space: sled's default.
    #[default]
    LowSpace,
    /// Rewrite less, to write faster.
    HighThroughput,
}

impl FromStr for SledMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "low_space" => Ok(Self::LowSpace),
            "high_throughput" => Ok(Self::HighThroughput),
            _ => Err(Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a mode of sled"))
                .hint("use low_space or high_throughput")),
        }
    }
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            common: Options::default(),
            mode: SledMode::default(),
            segment_size: None,
            flush_every_ms: Some(FLUSH_EVERY_MS_DEFAULT),
            close_wait_ms: CLOSE_WAIT_MS_DEFAULT,
            write_through: true,
        }
    }
}

impl SledOptions {
    /// Returns the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the common options. Engine options by name in them are not parsed again.
    #[must_use]
    pub fn common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }

    /// Sets sled's mode.
    #[must_use]
    pub fn mode(mut self, mode: SledMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets sled's segment size in bytes.
    #[must_use]
    pub fn segment_size(mut self, bytes: u64) -> Self {
        self.segment_size = Some(bytes);
        self
    }

    /// Sets how often buffered commits are flushed, in milliseconds. None: never.
    #[must_use]
    pub fn flush_every_ms(mut self, interval_ms: Option<u64>) -> Self {
        self.flush_every_ms = interval_ms;
        self
    }

    /// Sets how long a close may take, in milliseconds.
    #[must_use]
    pub fn close_wait_ms(mut self, wait_ms: u64) -> Self {
        self.close_wait_ms = wait_ms;
        self
    }

    /// Sets whether sled's files are written through.
    #[must_use]
    pub fn write_through(mut self, write_through: bool) -> Self {
        self.write_through = write_through;
        self
    }

    /// Checks the options and converts them to sled's.
    pub(crate) fn to_config(&self) -> Result<sled::Config> {
        if self.flush_every_ms == Some(0) {
            return Err(Error::new(ErrorKind::InvalidInput, "flush_every_ms is zero")
                .hint("give a number of milliseconds, or \"none\""));
        }
        if self.common.cache_bytes.is_some_and(|bytes| bytes < CACHE_BYTES_MIN) {
            return Err(Error::new(ErrorKind::InvalidInput, "the cache is too small for sled")
                .hint(format!("use at least {CACHE_BYTES_MIN} bytes")));
        }
        let mode = match self.mode {
            SledMode::LowSpace => sled::Mode::LowSpace,
            SledMode::HighThroughput => sled::Mode::HighThroughput,
        };
        let config = sled::Config::new()
            .mode(mode)
            .cache_capacity(self.common.cache_bytes.unwrap_or(CACHE_BYTES_DEFAULT))
            // The adapter's own thread does it.
            .flush_every_ms(None);
        match self.segment_size {
            Some(bytes) => Ok(config.segment_size(checked_segment_size(bytes)?)),
            None => Ok(config),
        }
    }
}

/// The lower bound is sled's own, and useful only in tests.
fn checked_segment_size(bytes: u64) -> Result<usize> {
    let fits = bytes.is_power_of_two() && (256..=16 * 1_024 * 1_024).contains(&bytes);
    usize::try_from(bytes).ok().filter(|_| fits).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, format!("segment_size cannot be {bytes} bytes"))
            .hint("use a power of two from 256 B to 16 MiB")
    })
}

/// `500` or `none`.
struct Interval(Option<u64>);

impl FromStr for Interval {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|ms| Self(Some(ms))) }
    }
}

impl TypedOptions for SledOptions {
    fn from_options(options: &Options) -> Result<Self> {
        let mut given = EngineOptions::new("sled", options);
        let mode = given.take("mode")?.unwrap_or_default();
        let segment_size = given.take_bytes("segment_size")?;
        let interval = given.take::<Interval>("flush_every_ms")?;
        let close_wait_ms = given.take("close_wait_ms")?.unwrap_or(CLOSE_WAIT_MS_DEFAULT);
        let write_through = given.take("write_through")?.unwrap_or(true);
        let compression = given.take("use_compression")?.unwrap_or(false);
        given.finish()?;
        if compression {
            return Err(Error::new(ErrorKind::Unsupported, "sled is built without its compression")
                .hint("use the store's compression, which works the same on every engine")
                .at("sled", "open"));
        }
        let typed = Self {
            common: options.clone(),
            mode,
            segment_size,
            flush_every_ms: interval.map_or(Some(FLUSH_EVERY_MS_DEFAULT), |interval| interval.0),
            close_wait_ms,
            write_through,
        };
        // Refuse contradictions here, not when the store is opened.
        typed.to_config().map_err(|error| error.at("sled", "open"))?;
        Ok(typed)
    }

    fn common(&self) -> &Options {
        &self.common
    }

    fn with_common(mut self, common: Options) -> Self {
        self.common = common;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// See [`flusher`](crate::flusher) for what goes wrong with it.
    #[test]
    fn the_flushing_thread_of_sled_is_never_used() {
        for options in [SledOptions::new(), SledOptions::new().flush_every_ms(Some(1))] {
            assert_eq!(options.to_config().unwrap().flush_every_ms, None);
        }
    }
}
