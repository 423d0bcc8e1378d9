//! What a check may take.

use crate::exit::{Failure, Outcome};
use std::time::Duration;
use strongroom::{ByteSize, parse_bytes};

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a time: a whole number and `ms`, `s`, `m` or `h`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let digits_end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let number: Option<u64> = digits.parse().ok();
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .map(Duration::from_millis)
        .ok_or_else(|| "write a whole number with ms, s, m or h, such as 10m".to_owned())
}

/// Reads a size.
pub(crate) fn memory(text: &str) -> Result<ByteSize, String> {
    parse_bytes(text).map(ByteSize).map_err(|error| error.to_string())
}

/// Limits what this process may take from now on to write to: its heap and its stacks, not the files that it maps.
/// An engine's map may be far larger than what it reads.
#[cfg(target_os = "linux")]
pub(super) fn limit_memory(most: ByteSize) -> Outcome {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_DATA, most.0, most.0)
        .map_err(|error| Failure::bad_input(format_args!("cannot limit the memory to {most}: {error}")))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn limit_memory(_most: ByteSize) -> Outcome {
    Err(Failure::bad_input("memory can be limited on Linux only; leave --memory-limit out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_what_is_none_is_refused() {
        for (text, ms) in [("1ms", 1), ("90s", 90_000), ("10m", 600_000), ("2h", 7_200_000), ("0s", 0)] {
            assert_eq!(time(text).unwrap(), Duration::from_millis(ms));
        }
        for text in ["", "10", "m", "-1s", "1.5h", "1 s", "1d", "18446744073709551615h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
