//! The suite of the store on every engine of this build, and the table of features that is made from it:
//! `UPDATE_GOLDEN=1 cargo test --workspace --all-features --test features` writes docs/FEATURES.md anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

#[path = "support/raw_features.rs"]
mod raw_features;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use strongroom::Registry;
use strongroom_testkit::{EngineRun, FeatureTable, StoreFixture, assert_golden};

const HEAD: &str = "\
# Features, engine by engine

Each engine has two columns. The first counts the cases that showed the feature on that engine, in the run that wrote
this page. A cell without a passing case cannot be written. Cases that an engine cannot run are excluded (\"3 of 4\")
and named below. The second column names what the engine has without Strongroom, from its documentation.

```sh
UPDATE_GOLDEN=1 cargo test --workspace --all-features --test features
```

The cases are in `crates/testkit/src/store_suite`; `strongroom_testkit::store_conformance!` runs them on an engine of
your own. sled claims power-safe commits on Linux with ext4 or XFS, where this page was written.

*by hand*: the engine has transactions in which an application can do it. *one writer*: serializable, since a
transaction that writes keeps all others waiting. *at compaction*: what has expired is removed some day, and may be read
until then.

";

fn fixture(engine: &str) -> StoreFixture {
    let registry = Registry::builtin();
    let info = *registry.driver(engine).unwrap().info();
    let engine = engine.to_owned();
    StoreFixture::new(info, move |path, options| {
        Registry::builtin().driver(&engine).unwrap().open_backend(path, options)
    })
}

#[test]
fn every_feature_is_there_on_every_engine() {
    let registry = Registry::builtin();
    let engines: Vec<&str> =
        registry.drivers().filter(|driver| driver.is_on_disk()).map(|driver| driver.info().name).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, std::num::NonZero::get).min(engines.len()) {
            scope.spawn(|| {
                while let Some(engine) = engines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = EngineRun::new(engine, || fixture(engine), raw_features::of(engine));
                    done.lock().unwrap().push((*engine, run));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(engine, _)| engines.iter().position(|name| name == engine));
    let table = FeatureTable::new(done.into_iter().map(|(_, run)| run).collect());
    assert_eq!(table.failures(), [""; 0]);
    if cfg!(feature = "storage-all") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FEATURES.md");
        assert_golden(page, &format!("{HEAD}{}", table.markdown()));
    }
}
