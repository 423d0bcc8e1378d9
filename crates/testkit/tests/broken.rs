//! Tests the suite itself: it must catch every backend that is broken on purpose, and pass the healthy ones.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use strongroom_core::{Backend, MemoryBackend, Undo};
use strongroom_testkit::broken::{Broken, all};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};
use strongroom_testkit::{CASES, Case, Fixture, Outcome, PretendEngine, case, run_case};

/// Runs `work` without panic messages, because hundreds of cases must fail here.
fn silently<T>(work: impl FnOnce() -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(loud);
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a case on `fixture`; returns its outcome or its panic message.
fn outcome(case: &Case, fixture: &Fixture) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run_case(case, fixture))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_default().replace(['\n', '|'], " ").chars().take(160).collect()
    })
}

/// Runs `cases` on each broken backend; prints a table of the results and returns the cases that caught one.
fn hunt(cases: impl Fn(&Broken) -> Vec<&'static Case>) -> BTreeSet<&'static str> {
    let mut table = String::from("| broken | caught by | message |\n|---|---|---|\n");
    let mut missed = Vec::new();
    let mut useful = BTreeSet::new();
    silently(|| {
        for broken in all() {
            let mut verdict = None;
            for case in cases(&broken) {
                let Err(why) = outcome(case, &(broken.fixture)()) else { continue };
                useful.insert(case.name);
                if case.name == broken.caught_by {
                    verdict = Some(why);
                }
            }
            let says = verdict.as_deref().unwrap_or("NOTHING");
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {} | {} | {says} |", broken.name, broken.caught_by);
            if verdict.is_none() {
                missed.push(broken.name);
            }
        }
    });
    println!("{table}");
    assert!(missed.is_empty(), "the suite does not catch: {missed:#?}\n{table}");
    useful
}

#[test]
fn every_broken_backend_is_caught_by_the_case_it_names() {
    hunt(|broken| vec![case(broken.caught_by)]);
}

#[test]
#[ignore = "runs the whole suite on every broken backend, which takes a few minutes"]
fn every_case_catches_a_broken_backend() {
    let useful = hunt(|_| CASES.iter().collect());
    let idle: Vec<_> = CASES.iter().map(|case| case.name).filter(|name| !useful.contains(name)).collect();
    assert!(idle.is_empty(), "cases that catch no broken backend: {idle:#?}");
}

fn healthy_with_faults() -> Fixture {
    let faults = Faults::new();
    let switch = faults.clone();
    Fixture::new(move |directory| {
        let options = FaultyOptions::new(switch.clone());
        Ok(Box::new(Backend::<Undo<FaultyEngine<PretendEngine>>>::open(directory, options)?))
    })
    .with_faults(faults)
}

#[test]
fn healthy_backends_pass_every_case() {
    let on_memory = || Fixture::new(|_| Ok(Box::new(MemoryBackend::in_memory())));
    let mut failed = Vec::new();
    let mut skipped = 0;
    silently(|| {
        for case in CASES {
            match outcome(case, &on_memory()) {
                Ok(Outcome::Passed) => {}
                Ok(Outcome::Skipped(_)) => skipped += 1,
                Err(why) => failed.push(("memory", case.name, why)),
            }
            // This backend meets every need, so no case may be skipped.
            match outcome(case, &healthy_with_faults()) {
                Ok(Outcome::Passed) => {}
                Ok(Outcome::Skipped(why)) => failed.push(("pretend", case.name, why.to_owned())),
                Err(why) => failed.push(("pretend", case.name, why)),
            }
        }
    });
    assert!(failed.is_empty(), "healthy backends must pass: {failed:#?}");
    let needy = CASES.iter().filter(|case| case.needs.is_some()).count();
    assert_eq!(skipped, needy, "the memory backend skips exactly the cases with a need");
}
