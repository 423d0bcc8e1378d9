//! Limits the memory of a check.

use crate::exit::{Failure, Outcome};
use strongroom::{ByteSize, parse_bytes};

/// Parses a size.
pub(crate) fn memory(text: &str) -> Result<ByteSize, String> {
    parse_bytes(text).map(ByteSize).map_err(|error| error.to_string())
}

/// Limits the writable memory of this process: its heap and its stacks, not the files that it maps. An engine's map
/// may be far larger than the pages that it reads.
#[cfg(target_os = "linux")]
pub(crate) fn limit_memory(most: ByteSize) -> Outcome {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_DATA, most.0, most.0)
        .map_err(|error| Failure::bad_input(format_args!("cannot limit the memory to {most}: {error}")))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn limit_memory(_most: ByteSize) -> Outcome {
    Err(Failure::bad_input("memory can be limited on Linux only; leave --memory-limit out"))
}
