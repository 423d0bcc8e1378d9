//! The meaning of sled's options, and which are refused.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use strongroom_core::{ErrorKind, Options, StorageBackend, TypedOptions};
use strongroom_sled::{CLOSE_WAIT_MS_DEFAULT, SledBackend, SledMode, SledOptions};
use support::open;
use tempfile::TempDir;

fn refused(options: &Options) -> ErrorKind {
    SledOptions::from_options(options).unwrap_err().kind()
}

#[test]
fn options_are_parsed_by_sleds_own_names() {
    let options = Options::new()
        .cache_bytes(1 << 20)
        .engine_option("mode", "high_throughput")
        .engine_option("segment_size", "64KiB")
        .engine_option("flush_every_ms", "none")
        .engine_option("use_compression", "false");
    let typed = SledOptions::from_options(&options).unwrap();
    assert_eq!(typed.mode, SledMode::HighThroughput);
    assert_eq!(typed.segment_size, Some(65_536));
    assert_eq!(typed.flush_every_ms, None);
    assert_eq!(typed.common.cache_bytes, Some(1 << 20));
    assert!(typed.write_through);
    assert_eq!(typed.close_wait_ms, CLOSE_WAIT_MS_DEFAULT);

    let options = Options::new().engine_option("write_through", "false").engine_option("close_wait_ms", "10");
    let typed = SledOptions::from_options(&options).unwrap();
    assert_eq!(typed, SledOptions::new().write_through(false).close_wait_ms(10).common(options));
}

#[test]
fn options_that_cannot_be_honoured_are_refused() {
    let option = |name: &str, value: &str| Options::new().engine_option(name, value);
    assert_eq!(refused(&option("use_compression", "true")), ErrorKind::Unsupported);
    assert_eq!(refused(&option("mode", "fast")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("segment_size", "1000")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("segment_size", "32MiB")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("flush_every_ms", "0")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("temporary", "true")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("write_through", "perhaps")), ErrorKind::InvalidInput);
    assert_eq!(refused(&option("close_wait_ms", "-1")), ErrorKind::InvalidInput);
}

#[test]
fn another_segment_size_is_a_clear_error() {
    let directory = TempDir::new().unwrap();
    drop(SledBackend::open(directory.path(), SledOptions::new().segment_size(65_536)).unwrap());
    let error = SledBackend::new(directory.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("65536"), "{error}");
    SledBackend::open(directory.path(), SledOptions::new().segment_size(65_536)).unwrap();
}

#[test]
fn the_declared_version_is_the_built_one() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../Cargo.lock")).unwrap();
    let directory = TempDir::new().unwrap();
    let version = open(directory.path()).engine().version;
    assert!(lock.contains(&format!("name = \"sled\"\nversion = \"{version}\"")), "{version}");
}
