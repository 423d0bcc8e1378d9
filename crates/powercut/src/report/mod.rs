//! What a person reads: tables in a terminal, and `docs/DURABILITY.md`.

mod tables;

use crate::disk::FileSystem;
use crate::judge::Finding;
use crate::name::{ImageKind, Section};
use crate::results::{Results, is_bad};
use crate::subject::{Promise, Role};
use std::fmt::Write as _;
use tables::Table;

/// What was found and mended, kept by hand.
const FINDINGS: &str = include_str!("findings.md");

const HEAD: &str = include_str!("head.md");

/// Trials of one sort that are named of a raw engine.
const RAW_EXAMPLES_MAX: usize = 2;

/// The columns of a section.
fn columns(section: Section) -> &'static [Finding] {
    match section {
        Section::Kill | Section::Power => &[
            Finding::Lost,
            Finding::Torn,
            Finding::Wrong,
            Finding::Unopenable,
            Finding::Unusable,
            Finding::Condition,
            Finding::Hung,
            Finding::Crashed,
        ],
        Section::Fault => &[
            Finding::Lost,
            Finding::Torn,
            Finding::Wrong,
            Finding::Unopenable,
            Finding::Unusable,
            Finding::Condition,
            Finding::WentOn,
            Finding::Hung,
            Finding::Crashed,
        ],
        Section::Damage => &[
            Finding::Wrong,
            Finding::Unnoticed,
            Finding::UnnoticedTail,
            Finding::Noticed,
            Finding::Crashed,
            Finding::Hung,
            Finding::Harmless,
        ],
    }
}

fn title(section: Section) -> &'static str {
    match section {
        Section::Kill => "Killed processes",
        Section::Power => "Power cuts",
        Section::Fault => "I/O errors",
        Section::Damage => "Damaged files",
    }
}

fn explanation(section: Section) -> &'static str {
    match section {
        Section::Kill => {
            "`kill -9` at a seeded moment. The operating system keeps what it was handed, so this proves little. The \
             columns are those of power cuts."
        }
        Section::Power => {
            "Crash images of the simulated disk. *Lost*: an acknowledged commit is missing. *Torn*: a batch is there by \
             half, or a later commit without an earlier one. *Wrong*: a value that was never written under that key. \
             *Unusable*: it opened, and then could not be written, closed and opened again, or `verify` complained \
             without a reason. *Condition*: a condition was judged wrongly. *Void*: the file system itself did not come \
             back, so that the image says nothing about the store. sled claims power-safe commits on ext4 and XFS only. \
             `sled/store-buffered` is its store on btrfs: it runs with `durability=buffered` and a `flush` behind each \
             commit that has to last, and what it loses fails nothing."
        }
        Section::Fault => {
            "A write or a flush of the disk fails, once or from then on, or a write is done by half, or the file system \
             is full. A step that fails without closing the handle is tried once more, and what is said to be undone must \
             not be there. The store is looked at as the disk has it afterwards, and (but for the full one) once more as it would be if the \
             power went at that moment: who acknowledges a commit whose flush failed has lost it there. *Idle*: trials, \
             among the others, in which the script ended before the fault was met. *Went on*: a commit was accepted on \
             a handle that had said it is closed."
        }
        Section::Damage => {
            "One file of a store that was closed, or whose process had died, is changed; a process of its own opens it, \
             reads everything and verifies it. A copy that is not changed has to be sound. *Wrong*: a value was served \
             that was never written under that key. *Unnoticed*: something is missing, or an older value is there in \
             place of a newer one, and neither opening, reading nor verifying said so. *Unnoticed tail*: what is missing \
             are just the newest commits, beyond the second by which a high-water mark may lag. *Noticed*: opening, \
             reading or verifying said so; a store may have served an older value before `verify` did. *Crashed*: the process that opened it died, which `strongroom verify` survives and reports. \
             *Harmless*: nothing that matters was hit. A store without `integrity=full` cannot notice a single row that \
             an engine has lost, and raw engines have nothing but checks of their own."
        }
    }
}

/// The tables of all sections, for a terminal.
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    for section in results.cells.keys() {
        // Writing to memory does not fail.
        let _ = writeln!(text, "{}\n{}", title(*section), table(results, *section).text());
    }
    for (section, cells) in &results.cells {
        for (name, cell) in cells {
            let Some(subject) = results.subjects.get(name) else { continue };
            let bad = |finding| is_bad(*section, finding, subject.role, subject.promise);
            for example in cell.examples.iter().filter(|example| bad(example.finding)) {
                let _ = writeln!(text, "{}: {}: {}", example.trial, example.finding, example.text);
            }
        }
    }
    text
}

/// The report.
pub fn markdown(results: &Results) -> String {
    let mut text = HEAD.to_owned();
    let trials: u64 = results.cells.values().flat_map(|cells| cells.values()).map(|cell| cell.trials).sum();
    let _ = writeln!(text, "\nThis run: {trials} trials, seed {}{}.", results.seed, on(&results.system));
    if results.skipped.is_empty() {
        let _ = writeln!(text, "Nothing was skipped.");
    }
    for skipped in &results.skipped {
        let _ = writeln!(text, "\nSKIPPED {skipped}");
    }
    let failures = results.failures();
    let _ = if failures.is_empty() {
        writeln!(
            text,
            "\nEvery promise was kept{}.",
            if with_controls(results) {
                ", and every negative control lost something"
            } else {
                "; no negative control was tried"
            }
        )
    } else {
        writeln!(text, "\n**What has to be zero and is not:** {}.", failures.join("; "))
    };
    for section in results.cells.keys() {
        let _ = writeln!(text, "\n## {}\n\n{}\n", title(*section), explanation(*section));
        text.push_str(&table(results, *section).markdown());
        if *section == Section::Power {
            text.push_str("\nImages by kind, and the same by file system:\n\n");
            text.push_str(&images(results).markdown());
        }
    }
    text.push_str(
        "\n## Trials that found something\n\nTo be made again with `replay NAME`: all sorts of the stores, and two of each \
         sort of the raw engines.\n\n",
    );
    text.push_str(&examples(results).markdown());
    text.push_str("\n## The subjects\n\n");
    text.push_str(&subjects(results).markdown());
    text.push('\n');
    text.push_str(FINDINGS);
    text
}

fn on(system: &str) -> String {
    if system.is_empty() { String::new() } else { format!(", on {system}") }
}

/// Whether there was a power cut for any that has to lose.
fn with_controls(results: &Results) -> bool {
    let is_control =
        |name: &String| results.subjects.get(name).is_some_and(|it| it.promise == Promise::Loses);
    results
        .cells
        .get(&Section::Power)
        .into_iter()
        .flatten()
        .any(|(name, cell)| is_control(name) && cell.trials > 0)
}

/// Subjects by engine, the raw one last.
fn ordered(results: &Results) -> Vec<&String> {
    let mut names: Vec<&String> = results.subjects.keys().collect();
    names.sort_by_key(|name| {
        let subject = &results.subjects[*name];
        (subject.engine.clone(), subject.role, subject.promise == Promise::Loses, (*name).clone())
    });
    names
}

fn table(results: &Results, section: Section) -> Table {
    let columns = columns(section);
    let (with_idle, with_void) =
        (section == Section::Fault, matches!(section, Section::Power | Section::Fault));
    let mut head = vec!["subject".to_owned(), "trials".to_owned()];
    head.extend(columns.iter().map(ToString::to_string));
    if with_idle {
        head.push("idle".to_owned());
    }
    if with_void {
        head.push("void".to_owned());
    }
    let mut table = Table::new(head);
    for name in ordered(results) {
        let Some(cell) = results.cells.get(&section).and_then(|cells| cells.get(name)) else { continue };
        if cell.trials == 0 {
            continue;
        }
        let mut row = vec![name.clone(), cell.trials.to_string()];
        row.extend(columns.iter().map(|finding| cell.of(*finding).to_string()));
        if with_idle {
            row.push(cell.idle.to_string());
        }
        if with_void {
            row.push(cell.void.to_string());
        }
        table.push(row);
    }
    table
}

/// How many images of each kind, and on each file system.
fn images(results: &Results) -> Table {
    let kinds = ImageKind::ALL.map(|kind| kind.to_string());
    let file_systems = FileSystem::ALL.map(|file_system| file_system.to_string());
    let words: Vec<&String> = kinds.iter().chain(&file_systems).collect();
    let mut head = vec!["subject".to_owned()];
    head.extend(words.iter().map(ToString::to_string));
    let mut table = Table::new(head);
    let cells = results.cells.get(&Section::Power);
    for name in ordered(results) {
        let Some(cell) = cells.and_then(|cells| cells.get(name)).filter(|cell| cell.trials > 0) else {
            continue;
        };
        // A kind in the results is the file system and the kind of image.
        let count = |word: &String| -> u64 {
            let has_it = |kind: &str| kind.split(' ').any(|part| part == word);
            cell.kinds.iter().filter(|(kind, _)| has_it(kind)).map(|(_, count)| count).sum()
        };
        let mut row = vec![name.clone()];
        row.extend(words.iter().map(|word| count(word).to_string()));
        table.push(row);
    }
    table
}

fn subjects(results: &Results) -> Table {
    let mut table = Table::new(["subject", "engine", "promise", "settings"].map(str::to_owned).to_vec());
    for name in ordered(results) {
        let subject = &results.subjects[name];
        let promise = match subject.promise {
            Promise::PowerSafe => "survives a power cut",
            Promise::KillSafe => "survives a kill",
            Promise::Loses => "must be seen to lose",
        };
        table.push(vec![name.clone(), subject.engine.clone(), promise.to_owned(), subject.note.clone()]);
    }
    table
}

/// Without their words, which have paths of this machine in them.
fn examples(results: &Results) -> Table {
    let mut table = Table::new(["trial", "finding"].map(str::to_owned).to_vec());
    for cells in results.cells.values() {
        for name in ordered(results) {
            let Some(cell) = cells.get(name) else { continue };
            let is_raw = results.subjects.get(name).is_some_and(|subject| subject.role == Role::Raw);
            let shown = if is_raw { RAW_EXAMPLES_MAX } else { usize::MAX };
            for finding in Finding::ALL {
                let of_sort = cell.examples.iter().filter(|example| example.finding == finding);
                for example in of_sort.take(shown) {
                    table.push(vec![format!("`{}`", example.trial), example.finding.to_string()]);
                }
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Cell, Described, Example};

    fn results(promise: Promise) -> Results {
        let mut results = Results::default();
        let described = Described { engine: "a".into(), role: Role::Store, promise, note: String::new() };
        results.subjects.insert("a".into(), described);
        let mut cell = Cell { trials: 1_700, ..Cell::default() };
        cell.findings.insert(Finding::Lost, 3);
        let trial = "power:a:ext4:single:1:drop:0".to_owned();
        cell.examples.push(Example { finding: Finding::Lost, trial, text: "/tmp/x".to_owned() });
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell);
        results
    }

    #[test]
    fn a_report_says_what_failed_what_was_skipped_and_which_trial_shows_it() {
        let mut failed = results(Promise::PowerSafe);
        failed.skipped.insert("xfs: not there".into());
        for told in [markdown(&failed), text(&failed)] {
            assert!(told.contains("power:a:ext4:single:1:drop:0"), "{told}");
        }
        let told = markdown(&failed);
        assert!(told.contains("SKIPPED xfs: not there") && !told.contains("Nothing was skipped"), "{told}");
        assert!(told.contains("has to be zero and is not:** a: power: lost in 3 of 1700 trials"), "{told}");
        assert!(!told.contains("Every promise was kept") && !told.contains("/tmp/x"), "{told}");
    }

    #[test]
    fn what_was_not_tried_is_not_claimed() {
        let mut sound = results(Promise::PowerSafe);
        sound.cells.entry(Section::Power).or_default().insert("a".into(), Cell::default());
        let told = markdown(&sound);
        assert!(told.contains("no negative control was tried"), "{told}");
        assert!(told.contains("Nothing was skipped."), "{told}");
        let mut control = results(Promise::Loses);
        control.subjects.get_mut("a").unwrap().role = Role::Raw;
        assert!(markdown(&control).contains("and every negative control lost something."));
    }
}
