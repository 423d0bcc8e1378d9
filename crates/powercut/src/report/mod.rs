//! Renders results for people: tables in a terminal, and `docs/DURABILITY.md`.

mod tables;

use crate::disk::FileSystem;
use crate::judge::Finding;
use crate::name::{ImageKind, Section};
use crate::results::{Results, is_bad};
use crate::subject::{Promise, Role};
use std::fmt::Write as _;
use tables::Table;

/// Findings and fixes, maintained by hand.
const FINDINGS: &str = include_str!("findings.md");

const HEAD: &str = include_str!("head.md");

/// The most trials of one finding that the report lists for a raw engine.
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
            "`kill -9` at a seeded time. The operating system keeps all data handed to it, so this proves \
             little. The columns are those of power cuts."
        }
        Section::Power => {
            "Crash images of the simulated disk. *Lost*: an acknowledged commit is missing. *Torn*: half of a \
             batch is there, or a later commit without an earlier one. *Wrong*: a value that was never \
             written under that key. *Unusable*: the store opened, but then could not be written, closed and \
             reopened, or `verify` reported damage without a reason. *Condition*: a condition was evaluated \
             wrongly. *Void*: the file system itself did not recover, so the image says nothing about the \
             store. sled claims power-safe commits on ext4 and XFS only. `sled/store-buffered` is its store \
             on btrfs: it runs with `durability=buffered` and a `flush` after each commit that must be \
             durable, and its losses do not fail the run."
        }
        Section::Fault => {
            "A write or a flush of the disk fails, once or from then on, or a write stores only its first \
             half, or the file system is full. A step that fails without closing the handle is tried once \
             more, and a step that the store reports as undone must not be there. The store is then checked \
             as the disk has it, and (except on the full file system) again as it would be after a power cut \
             at that point, which shows whether it acknowledged a commit whose flush failed. *Idle*: trials, \
             included in the count, in which the script ended before the fault struck. *Went on*: a commit \
             was accepted on a handle that had reported that it is closed."
        }
        Section::Damage => {
            "One file of a store that was closed, or whose process had died, is changed. A separate process \
             opens the store, reads everything and verifies it. An unchanged copy must be sound. *Wrong*: a \
             value was returned that was never written under that key. *Unnoticed*: a row is missing or has \
             an older value, and neither opening, reading nor verifying reported it. *Unnoticed tail*: only \
             the newest commits are missing, more than the second by which a high-water mark may lag. \
             *Noticed*: opening, reading or verifying reported the damage; a store may have returned an older \
             value before `verify` did. *Crashed*: the process that opened the store died, which `strongroom \
             verify` survives and reports. *Harmless*: the damage had no effect. A store without \
             `integrity=full` cannot detect that an engine lost a single row, and raw engines have only their \
             own checks."
        }
    }
}

/// Renders the tables of all sections for a terminal.
pub fn text(results: &Results) -> String {
    let mut text = String::new();
    for section in results.cells.keys() {
        // Writing to a string does not fail.
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

/// Renders the report as Markdown.
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
        writeln!(text, "\n**These counts must be zero:** {}.", failures.join("; "))
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
        "\n## Trials that found something\n\nRepeat one with `replay NAME`. Listed are all findings of the stores, and two \
         of each kind of the raw engines.\n\n",
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

/// Whether any negative control had a trial with a power cut.
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

/// Subjects sorted by engine, raw engines last.
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
        // A kind in the results is the file system followed by the kind of image.
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

/// The examples, without their texts, which contain paths of this machine.
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
    fn a_report_lists_failures_skips_and_their_trials() {
        let mut failed = results(Promise::PowerSafe);
        failed.skipped.insert("xfs: not there".into());
        for report in [markdown(&failed), text(&failed)] {
            assert!(report.contains("power:a:ext4:single:1:drop:0"), "{report}");
        }
        let report = markdown(&failed);
        assert!(
            report.contains("SKIPPED xfs: not there") && !report.contains("Nothing was skipped"),
            "{report}"
        );
        assert!(report.contains("must be zero:** a: power: lost in 3 of 1700 trials"), "{report}");
        assert!(!report.contains("Every promise was kept") && !report.contains("/tmp/x"), "{report}");
    }

    #[test]
    fn a_report_claims_nothing_about_missing_controls() {
        let mut sound = results(Promise::PowerSafe);
        sound.cells.entry(Section::Power).or_default().insert("a".into(), Cell::default());
        let report = markdown(&sound);
        assert!(report.contains("no negative control was tried"), "{report}");
        assert!(report.contains("Nothing was skipped."), "{report}");
        let mut control = results(Promise::Loses);
        control.subjects.get_mut("a").unwrap().role = Role::Raw;
        assert!(markdown(&control).contains("and every negative control lost something."));
    }
}
