//! A file system without locks: nothing would keep a second writer out, so nothing is opened to be written there.
//!
//! No such file system can be mounted in a test. So a filter refuses the system call, as those file systems do.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

#[path = "support/alone.rs"]
mod alone;
mod support;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::collections::BTreeMap;
use std::path::Path;
use strongroom::{ErrorKind, Registry};
use support::{config, files, on_disk, open};

/// `flock` on this architecture, and the two answers of file systems that have no locks.
const FLOCK: i64 = if cfg!(target_arch = "x86_64") { 73 } else { 32 };
const ENOLCK: u32 = 37;
const EOPNOTSUPP: u32 = 95;

/// From here on this process gets no lock.
fn refuse_locks(answer: u32) {
    let filter = SeccompFilter::new(
        BTreeMap::from([(FLOCK, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(answer),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

#[test]
fn a_store_is_refused_without_locks() {
    for engine in on_disk() {
        for answer in [ENOLCK, EOPNOTSUPP] {
            let home = tempfile::tempdir().unwrap();
            open(engine, home.path()).default_keyspace().unwrap().set("k", "v").unwrap();
            let path = home.path().to_str().unwrap();
            alone::run("in_a_process_of_its_own", &[engine, path, &answer.to_string()]);
            assert!(open(engine, home.path()).default_keyspace().unwrap().has("k").unwrap());
        }
    }
}

#[test]
#[ignore = "the other test runs it, in a process of its own"]
fn in_a_process_of_its_own() {
    let case = alone::case().expect("run by another test");
    let [engine, home, answer] = &case[..] else { panic!("{case:?}") };
    let home = Path::new(home);
    refuse_locks(answer.parse().unwrap());
    let before = files(home);
    let new = home.join("new");
    for path in [home, &new] {
        let error = Registry::builtin().open_config(&config(engine, path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{engine}: {}", error.one_line());
        let line = error.one_line();
        assert!(line.contains("has no locks") && line.contains(path.to_str().unwrap()), "{engine}: {line}");
        assert!(line.contains("local file system") && !line.contains('\n'), "{line}");
    }
    assert!(!new.exists(), "{engine}: a creation that failed left something");
    assert_eq!(files(home), before, "{engine}");
}
