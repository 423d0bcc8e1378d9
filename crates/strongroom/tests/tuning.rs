//! The options that are common to all engines: each is honoured or refused, and refused before anything is
//! touched.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::path::Path;
use strongroom::{ByteSize, Compression, Config, Driver, ErrorKind, Registry, Tuning};
use support::{config, on_disk};

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

fn tuning(engine: &str) -> Tuning {
    Registry::builtin().driver(engine).unwrap().info().tuning
}

/// Opens with `tuned`, or is refused without a trace, as `honours` says.
#[track_caller]
fn is_honoured(engine: &str, honours: bool, what: &str, tune: impl FnOnce(&mut Config)) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("store");
    let mut tuned = config(engine, &path);
    tune(&mut tuned);
    match Registry::builtin().open_config(&tuned) {
        Ok(store) => {
            assert!(honours, "{engine} does not honour {what} and ignores it");
            let rows = store.default_keyspace().unwrap();
            rows.set("k", vec![b'v'; 10_000]).unwrap();
            drop((rows, store));
            // What was written with an option is read without it.
            let again = Registry::builtin().open_config(&config(engine, &path)).unwrap();
            assert_eq!(again.default_keyspace().unwrap().get("k").unwrap().unwrap().len(), 10_000);
        }
        Err(error) => {
            assert!(!honours, "{engine} declares {what}: {}", error.one_line());
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{engine}, {what}: {error}");
            assert!(error.to_string().contains(engine) && !error.to_string().contains('\n'), "{error}");
            assert!(!path.exists(), "{engine} was refused {what} and left something behind");
        }
    }
}

#[test]
fn every_common_option_is_honoured_or_refused() {
    for engine in on_disk() {
        let tuning = tuning(engine);
        is_honoured(engine, tuning.cache, "a cache's size", |config| config.cache = Some(ByteSize(8 << 20)));
        is_honoured(engine, tuning.background_threads, "threads", |config| {
            config.background_threads = Some(2);
        });
        for compression in COMPRESSIONS {
            let honours = tuning.compression.contains(&compression);
            is_honoured(engine, honours, compression.as_str(), |config| {
                config.compression = Some(compression);
            });
        }
        is_honoured(engine, true, "read_only=false", |config| config.read_only = false);
    }
}

#[test]
fn numbers_out_of_all_reason_are_refused_and_leave_nothing() {
    for engine in on_disk() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("store");
        let refused = |tune: &dyn Fn(&mut Config)| {
            let mut tuned = config(engine, &path);
            tune(&mut tuned);
            let error = Registry::builtin().open_config(&tuned).unwrap_err();
            let is_refused = [ErrorKind::InvalidInput, ErrorKind::Unsupported].contains(&error.kind());
            assert!(is_refused, "{engine}: {}", error.one_line());
            assert!(!path.exists(), "{engine}: {}", error.one_line());
        };
        for threads in [0, 20_000, usize::MAX] {
            refused(&|config| config.background_threads = Some(threads));
        }
    }
}

/// The table in the documentation, one line for an engine: what a driver says, in words.
#[test]
fn the_table_of_options_is_what_the_engines_declare() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPTIONS.md")).unwrap();
    let registry = Registry::builtin();
    for driver in registry.drivers().filter(|driver| driver.is_on_disk()) {
        let line = row(driver);
        assert!(text.contains(&line), "docs/OPTIONS.md lacks this line:\n{line}");
    }
}

fn row(driver: &Driver) -> String {
    let yes = |can: bool| if can { "yes" } else { "refused" };
    let tuning = driver.info().tuning;
    let compression: Vec<_> = tuning.compression.iter().map(|can| can.as_str()).collect();
    format!(
        "| {} | {} | {} | {} |",
        driver.info().name,
        yes(tuning.cache),
        compression.join(", "),
        yes(tuning.background_threads)
    )
}
