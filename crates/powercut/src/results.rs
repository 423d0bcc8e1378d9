//! Counts the findings of trials, and decides which of them fail the run.

use crate::judge::{Finding, Found};
use crate::name::{Name, Section};
use crate::subject::{Promise, Role, Subject};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most examples kept for each subject, section and finding, so that a common finding does not crowd out a
/// rare one.
const EXAMPLES_MAX: usize = 6;

/// One subject in one section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Number of trials.
    pub trials: u64,
    /// Trials by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Trials with a finding, by finding; one trial may have several.
    pub findings: BTreeMap<Finding, u64>,
    /// Trials in which the fault never struck, or the damage changed nothing.
    pub idle: u64,
    /// Trials without a result, because the file system itself did not recover.
    #[serde(default)]
    pub void: u64,
    /// Examples of the findings that matter.
    pub examples: Vec<Example>,
}

/// One finding with the trial that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// What was found.
    pub finding: Finding,
    /// The trial's name.
    pub trial: String,
    /// The details.
    pub text: String,
}

/// A subject as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Its engine.
    pub engine: String,
    /// The role of its code.
    pub role: Role,
    /// What it promises.
    pub promise: Promise,
    /// Its settings.
    pub note: String,
}

/// All counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The seed of the plan.
    pub seed: u64,
    /// The operating system of the run and its version.
    #[serde(default)]
    pub system: String,
    /// The subjects, by name.
    pub subjects: BTreeMap<String, Described>,
    /// The cells, by section and subject.
    pub cells: BTreeMap<Section, BTreeMap<String, Cell>>,
    /// Skipped parts, with the reasons.
    pub skipped: BTreeSet<String>,
}

/// One completed trial.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its name.
    pub name: Name,
    /// What it found.
    pub found: Vec<Found>,
    /// Whether the fault never struck, or the damage changed nothing.
    pub idle: bool,
    /// Why it has no result, if the file system itself did not recover.
    pub void: Option<String>,
}

impl Results {
    /// Clears the cell of `subject` in `section`, before it is run again.
    pub fn begin(&mut self, section: Section, subject: &dyn Subject) {
        let described = Described {
            engine: subject.engine().to_owned(),
            role: subject.role(),
            promise: subject.promise(),
            note: subject.note().to_owned(),
        };
        self.subjects.insert(subject.name().to_owned(), described);
        self.cells.entry(section).or_default().insert(subject.name().to_owned(), Cell::default());
    }

    /// Counts a trial.
    pub fn count(&mut self, trial: &Trial) {
        let section = trial.name.section();
        let cell = self.cells.entry(section).or_default().entry(trial.name.subject().to_owned()).or_default();
        cell.trials += 1;
        cell.idle += u64::from(trial.idle);
        cell.void += u64::from(trial.void.is_some());
        *cell.kinds.entry(trial.name.kind()).or_default() += 1;
        let kinds: BTreeSet<Finding> = trial.found.iter().map(|(finding, _)| *finding).collect();
        for finding in kinds {
            *cell.findings.entry(finding).or_default() += 1;
        }
        for (finding, text) in &trial.found {
            let matters = !matches!(finding, Finding::Noticed | Finding::Harmless);
            let kept = cell.examples.iter().filter(|example| example.finding == *finding).count();
            if matters && kept < EXAMPLES_MAX {
                let text = text.chars().take(300).collect();
                cell.examples.push(Example { finding: *finding, trial: trial.name.to_string(), text });
            }
        }
    }

    /// Returns a line for everything that fails the run.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for (section, cells) in &self.cells {
            for (name, cell) in cells {
                let Some(subject) = self.subjects.get(name) else { continue };
                for (finding, count) in &cell.findings {
                    if is_bad(*section, *finding, subject.role, subject.promise) {
                        failures.push(format!(
                            "{name}: {section}: {finding} in {count} of {} trials",
                            cell.trials
                        ));
                    }
                }
                // A file system may fail to recover a few times, whatever the size of the run.
                if cell.void > 2 && cell.void * 20 > cell.trials {
                    failures.push(format!(
                        "{name}: {section}: the file system did not recover in {} of {} trials, which have no result",
                        cell.void, cell.trials
                    ));
                }
                let is_blind =
                    subject.promise == Promise::Loses && *section == Section::Power && !cell.loses();
                if is_blind && cell.trials > 0 {
                    failures.push(format!(
                        "{name}: the negative control lost nothing in {} power cuts: the harness is blind",
                        cell.trials
                    ));
                }
            }
        }
        failures
    }
}

impl Cell {
    /// How many trials had this finding.
    pub fn of(&self, finding: Finding) -> u64 {
        self.findings.get(&finding).copied().unwrap_or(0)
    }

    /// Whether a trial showed the loss of an acknowledged commit.
    pub fn loses(&self) -> bool {
        [Finding::Lost, Finding::Torn].iter().any(|finding| self.of(*finding) > 0)
    }
}

/// Whether a finding fails the run.
pub fn is_bad(section: Section, finding: Finding, role: Role, promise: Promise) -> bool {
    if role == Role::Raw || matches!(finding, Finding::Noticed | Finding::Harmless) {
        return false;
    }
    match section {
        // A child may die of damaged files: that is why a child opens them, and the damage was noticed.
        Section::Damage => match finding {
            // Every store has a high-water mark, which must detect a lost tail.
            Finding::Wrong | Finding::Hung | Finding::UnnoticedTail => true,
            Finding::Unnoticed => role == Role::StoreFull,
            _ => false,
        },
        Section::Kill => true,
        // A subject without a promise about power may lose unsynced data and become unusable, but nothing worse.
        Section::Power | Section::Fault => {
            promise == Promise::PowerSafe
                || matches!(
                    finding,
                    Finding::Wrong | Finding::Condition | Finding::Hung | Finding::Crashed | Finding::WentOn
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Workload;

    fn trial(subject: &str, found: &[Finding]) -> Trial {
        let name = Name::Kill { subject: subject.into(), workload: Workload::Single, seed: 1 };
        Trial {
            name,
            found: found.iter().map(|finding| (*finding, "words".into())).collect(),
            idle: false,
            void: None,
        }
    }

    #[test]
    fn a_trial_counts_each_finding_once() {
        let mut results = Results::default();
        results.count(&trial("a", &[Finding::Lost, Finding::Lost, Finding::Torn]));
        results.count(&trial("a", &[]));
        let cell = &results.cells[&Section::Kill]["a"];
        assert_eq!(
            (cell.trials, cell.of(Finding::Lost), cell.of(Finding::Torn), cell.of(Finding::Wrong)),
            (2, 1, 1, 0)
        );
        assert_eq!(cell.examples.len(), 3);
    }

    #[test]
    fn the_promise_decides_which_findings_fail_a_run() {
        let bad = |section, finding, role, promise| is_bad(section, finding, role, promise);
        for finding in [
            Finding::Lost,
            Finding::Torn,
            Finding::Wrong,
            Finding::Unopenable,
            Finding::Unusable,
            Finding::Condition,
            Finding::Hung,
            Finding::Crashed,
            Finding::WentOn,
        ] {
            for section in [Section::Kill, Section::Power, Section::Fault] {
                assert!(bad(section, finding, Role::Store, Promise::PowerSafe), "{section} {finding}");
                assert!(!bad(section, finding, Role::Raw, Promise::Loses), "{section} {finding}");
            }
            assert!(bad(Section::Kill, finding, Role::Store, Promise::KillSafe), "{finding}");
        }
        assert!(!bad(Section::Power, Finding::Lost, Role::Store, Promise::KillSafe));
        for finding in [Finding::Wrong, Finding::Condition, Finding::Hung, Finding::Crashed, Finding::WentOn]
        {
            assert!(bad(Section::Power, finding, Role::Store, Promise::KillSafe), "{finding}");
        }
        for role in [Role::Store, Role::StoreFull] {
            assert!(bad(Section::Damage, Finding::Wrong, role, Promise::PowerSafe));
            assert!(bad(Section::Damage, Finding::Hung, role, Promise::PowerSafe));
        }
        assert!(bad(Section::Damage, Finding::Hung, Role::Store, Promise::KillSafe));
        assert!(!bad(Section::Damage, Finding::Unnoticed, Role::Store, Promise::PowerSafe));
        assert!(bad(Section::Damage, Finding::UnnoticedTail, Role::Store, Promise::PowerSafe));
        assert!(!bad(Section::Damage, Finding::UnnoticedTail, Role::Raw, Promise::PowerSafe));
        assert!(bad(Section::Damage, Finding::Unnoticed, Role::StoreFull, Promise::KillSafe));
        assert!(!bad(Section::Damage, Finding::Crashed, Role::StoreFull, Promise::PowerSafe));
        assert!(!bad(Section::Damage, Finding::Noticed, Role::StoreFull, Promise::PowerSafe));
    }

    #[test]
    fn a_rare_finding_keeps_an_example_among_common_ones() {
        let mut results = Results::default();
        for _ in 0..20 {
            results.count(&trial("a", &[Finding::Crashed, Finding::Noticed, Finding::Harmless]));
        }
        results.count(&trial("a", &[Finding::Wrong]));
        let kept: Vec<Finding> =
            results.cells[&Section::Kill]["a"].examples.iter().map(|example| example.finding).collect();
        assert_eq!(kept.iter().filter(|finding| **finding == Finding::Crashed).count(), EXAMPLES_MAX);
        assert_eq!(kept.len(), EXAMPLES_MAX + 1, "{kept:?}");
        assert!(kept.contains(&Finding::Wrong));
    }

    #[test]
    fn too_many_file_systems_that_do_not_recover_fail_the_run() {
        let mut results = Results::default();
        results.subjects.insert("a".into(), described(Promise::PowerSafe));
        for turn in 0..20 {
            let void = (turn < 2).then(|| "no".to_owned());
            results.count(&Trial { void, ..trial("a", &[]) });
        }
        assert!(results.failures().is_empty());
        results.count(&Trial { void: Some("no".into()), ..trial("a", &[]) });
        assert_eq!(results.failures().len(), 1);
    }

    fn described(promise: Promise) -> Described {
        Described { engine: "a".into(), role: Role::Raw, promise, note: String::new() }
    }

    #[test]
    fn a_control_that_loses_nothing_fails_the_run() {
        let mut results = Results::default();
        results.subjects.insert("a".into(), described(Promise::Loses));
        let mut cell = Cell { trials: 3, ..Cell::default() };
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell.clone());
        assert_eq!(results.failures().len(), 1);
        // A store that does not open does not count as a loss that the harness has seen.
        cell.findings.insert(Finding::Unopenable, 3);
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell.clone());
        assert_eq!(results.failures().len(), 1);
        cell.findings.insert(Finding::Lost, 1);
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell);
        assert!(results.failures().is_empty());
        // A control need not lose anything to a kill.
        results
            .cells
            .entry(Section::Kill)
            .or_default()
            .insert("a".into(), Cell { trials: 1, ..Cell::default() });
        assert!(results.failures().is_empty());
    }
}
