//! The suite's own test: it must catch every backend that is broken on purpose, and pass the healthy ones.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use strongroom_core::{Backend, MemoryBackend, Undo};
use strongroom_testkit::broken::{Broken, all};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};
use strongroom_testkit::{CASES, Case, Fixture, Outcome, PretendEngine, case, run_case};

/// Hundreds of cases are meant to fail here: their messages are kept from the terminal.
fn silently<T>(work: impl FnOnce() -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(loud);
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What a case came to on a fresh fixture, or the message it failed with.
fn outcome(case: &Case, fixture: &Fixture) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run_case(case, fixture))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_default().replace(['\n', '|'], " ").chars().take(160).collect()
    })
}

/// Whether all cases are to be run on each broken backend, not only the one that has to catch it.
fn whole() -> bool {
    std::env::var_os("STRONGROOM_TESTKIT_WHOLE").is_some()
}

/// The cases that fail on a broken backend, and why.
fn failing_cases(broken: &Broken) -> Vec<(&'static str, String)> {
    let named = |case: &&Case| whole() || case.name == broken.caught_by;
    let failed = |case: &'static Case| outcome(case, &(broken.fixture)()).err().map(|why| (case.name, why));
    CASES.iter().filter(named).filter_map(failed).collect()
}

#[test]
fn every_broken_backend_is_caught_by_the_case_it_names() {
    let mut table = String::from("| broken | caught by | which says |\n|---|---|---|\n");
    let mut missed = Vec::new();
    let mut useful = BTreeSet::new();
    silently(|| {
        for broken in all() {
            let failing = failing_cases(&broken);
            let why = failing.iter().find(|(name, _)| *name == broken.caught_by).map(|(_, why)| why.as_str());
            if why.is_none() {
                missed.push(broken.name);
            }
            writeln!(table, "| {} | {} | {} |", broken.name, broken.caught_by, why.unwrap_or("NOTHING"))
                .unwrap();
            useful.extend(failing.into_iter().map(|(name, _)| name));
        }
    });
    println!("{table}");
    if whole() {
        let idle = CASES.iter().map(|case| case.name).filter(|name| !useful.contains(name));
        println!("cases that catch none of them: {:#?}", idle.collect::<Vec<_>>());
    }
    assert!(missed.is_empty(), "the suite does not catch: {missed:#?}\n{table}");
}

#[test]
fn every_broken_backend_names_a_case() {
    for broken in all() {
        case(broken.caught_by);
    }
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
    let (failed, skipped) = silently(|| {
        let mut failed = Vec::new();
        let mut skipped = 0;
        for case in CASES {
            for (name, fixture) in [("memory", on_memory()), ("pretend", healthy_with_faults())] {
                match outcome(case, &fixture) {
                    Err(why) => failed.push((name, case.name, why)),
                    // Nothing is skipped where everything that a case can need is there.
                    Ok(Outcome::Skipped(why)) if name == "pretend" => {
                        failed.push((name, case.name, why.to_owned()));
                    }
                    Ok(Outcome::Skipped(_)) => skipped += 1,
                    Ok(Outcome::Passed) => {}
                }
            }
        }
        (failed, skipped)
    });
    assert!(failed.is_empty(), "healthy backends must pass: {failed:#?}");
    let needy = CASES.iter().filter(|case| case.needs.is_some()).count();
    assert_eq!(skipped, needy, "memory declares nothing, so it skips what needs something, and only that");
}
