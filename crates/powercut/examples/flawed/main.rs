//! Runs the harness on your own subjects: a small store, and copies of it with one flaw each.
//!
//! The store keeps everything in memory and appends each commit to a journal. Real stores have had these flaws, and
//! the tests of the harness demand that each is found. To test your own store, implement [`Subject`] and
//! [`Opened`](strongroom_powercut::subject::Opened) as `journal.rs` does, and end your `main` like this one.

mod journal;

use journal::{Flaw, Journal};
use std::process::ExitCode;
use strongroom_powercut::command;
use strongroom_powercut::subject::{Promise, Role, Subject};

fn main() -> ExitCode {
    let flawed = [
        ("forgets-sync", Flaw::ForgetsSync),
        ("tears", Flaw::Tears),
        ("invents", Flaw::Invents),
        ("hangs", Flaw::Hangs),
        ("aborts", Flaw::Aborts),
        ("refuses", Flaw::Refuses),
        ("stiffens", Flaw::Stiffens),
        ("goes-on", Flaw::GoesOn),
        ("misjudges", Flaw::Misjudges),
        ("forgets-checkpoint", Flaw::ForgetsCheckpoint),
        ("alarms", Flaw::Alarms),
        ("gets-nothing", Flaw::GetsNothing),
        ("trusts", Flaw::Trusts),
        ("swallows", Flaw::Swallows),
        ("panics", Flaw::Panics),
        ("shrugs", Flaw::Shrugs),
        ("ignores-sync", Flaw::IgnoresSync),
        ("rewrites", Flaw::Rewrites),
        ("devours", Flaw::Devours),
    ];
    let full = |flaw| matches!(flaw, Flaw::Trusts | Flaw::Swallows);
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Journal::boxed("sound", Flaw::None, Promise::PowerSafe, Role::Store),
        Journal::boxed("control", Flaw::ForgetsSync, Promise::Loses, Role::Raw),
        Journal::boxed("blind", Flaw::None, Promise::Loses, Role::Raw),
    ];
    subjects.extend(flawed.map(|(name, flaw)| {
        let role = if full(flaw) { Role::StoreFull } else { Role::Store };
        Journal::boxed(name, flaw, Promise::PowerSafe, role)
    }));
    command::main(&subjects)
}
