//! An engine that fails, or whose power is cut, at any step.

use super::common::{full, open_faulty, verify, with};
use std::fs;
use std::path::Path;
use strongroom_core::{Durability, Result};
use strongroom_store::{Integrity, Store};
use strongroom_testkit::PretendEngine;
use strongroom_testkit::fault::{Faults, How};

/// Uses a store until something fails. Records what was acknowledged.
fn use_store(store: &Store, acknowledged: &mut Vec<&'static str>) -> Result<()> {
    let events = store.create_keyspace("events")?;
    acknowledged.push("created");
    events.set("a", "1")?;
    acknowledged.push("set");
    let mut batch = store.batch();
    batch.set(&events, "a", "2").set(&events, "b", "1").durability(Durability::Buffered);
    store.commit(&batch)?;
    store.drop_keyspace("events")?;
    acknowledged.push("dropped");
    let events = store.create_keyspace("events")?;
    acknowledged.push("created again");
    events.set("c", "1")?;
    acknowledged.push("set again");
    Ok(())
}

/// Each call of the engine fails once. The power is cut there, or the process just ends.
#[test]
fn no_failure_at_any_step_causes_a_false_alarm_or_loses_an_acknowledged_commit() {
    // In parallel, since both mostly wait for the disk.
    std::thread::scope(|scope| {
        for how in [How::Error, How::ErrorAfterwards] {
            scope.spawn(move || {
                let calls = (1..1_000).take_while(|number| survives_failure_at(how, *number)).count();
                assert!(calls > 40, "{calls} calls");
            });
        }
    });
}

/// Fails the call with this number. Returns whether there was such a call.
fn survives_failure_at(how: How, number: u64) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (path, cut) = (directory.path().join("store"), directory.path().join("cut"));
    let faults = Faults::new();
    faults.fail_at(number, how);
    let opened = open_faulty(&path, with(Integrity::Full), &faults);
    let Ok(store) = opened else {
        // A failed creation continues, or starts again.
        verify(&full(&path)).unwrap();
        return true;
    };
    let mut acknowledged = Vec::new();
    let outcome = use_store(&store, &mut acknowledged);
    // The state that a power cut leaves now: what was synced, without a close.
    fs::create_dir(&cut).unwrap();
    for name in ["STRONGROOM", "STRONGROOM.highwater", PretendEngine::FILE] {
        fs::copy(path.join(name), cut.join(name)).unwrap();
    }
    drop(store);
    for path in [&path, &cut] {
        check_remaining(path, acknowledged.last().copied());
    }
    if faults.injected().is_none() {
        outcome.unwrap();
    }
    faults.injected().is_some()
}

fn check_remaining(path: &Path, acknowledged: Option<&str>) {
    let store = full(path);
    verify(&store).unwrap();
    let is_there = store.keyspace("events").is_ok();
    let has = |key: &str| is_there && store.keyspace("events").unwrap().has(key).unwrap();
    match acknowledged {
        Some("created") => assert!(is_there),
        // The drop has begun, and may be finished.
        Some("set") => assert!(has("a") || !is_there),
        Some("dropped") => assert!(!has("a")),
        Some("created again") => assert!(is_there && !has("a")),
        Some("set again") => assert!(has("c") && !has("a")),
        _ => {}
    }
    store.create_keyspace("events").unwrap().set("d", "1").unwrap();
    verify(&store).unwrap();
}
