//! Times, medians and ratios.

use std::time::Instant;

/// Runs `work` once and returns the nanoseconds divided by `count`.
pub fn nanos_each(count: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Reads all bytes of a value, as an application would, and returns its length.
pub fn read(value: &[u8]) -> usize {
    std::hint::black_box(value.iter().fold(0_u64, |sum, byte| sum.wrapping_add(u64::from(*byte))));
    value.len()
}

/// Reads all bytes of a row and returns their number.
pub fn read_row(key: &[u8], value: &[u8]) -> u64 {
    (read(key) + read(value)) as u64
}

/// The median; for an even count, the upper of the two middle samples.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The geometric mean of positive values.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| (sum + value.ln(), count + 1));
    (sum / f64::from(count)).exp()
}

/// Anonymous memory of this process in bytes; `None` where the system does not report it.
pub fn anonymous_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
