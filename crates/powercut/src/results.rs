//! What was counted, and what of it fails the run.

use crate::judge::{Finding, Found};
use crate::name::{Name, Section};
use crate::subject::{Promise, Role, Subject};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Trials that are kept with their name and words, for each subject, section and finding: a rare one that matters must
/// not be crowded out by a common one that does not.
const EXAMPLES_MAX: usize = 6;

/// One subject in one section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Trials made.
    pub trials: u64,
    /// Trials by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Trials with a finding, by finding; one trial may have several.
    pub findings: BTreeMap<Finding, u64>,
    /// Trials in which the fault was never met, or the damage touched nothing.
    pub idle: u64,
    /// Trials that say nothing, since the file system itself did not come back.
    #[serde(default)]
    pub void: u64,
    /// Some of the findings that matter.
    pub examples: Vec<Example>,
}

/// One finding with the trial that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// What was found.
    pub finding: Finding,
    /// The trial's name.
    pub trial: String,
    /// What it is about.
    pub text: String,
}

/// A subject as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Its engine.
    pub engine: String,
    /// Whose code.
    pub role: Role,
    /// What it promises.
    pub promise: Promise,
    /// What there is to say.
    pub note: String,
}

/// Everything that was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The seed of the plan.
    pub seed: u64,
    /// Where it was made: operating system and its version.
    #[serde(default)]
    pub system: String,
    /// The subjects, by name.
    pub subjects: BTreeMap<String, Described>,
    /// The cells, by section and subject.
    pub cells: BTreeMap<Section, BTreeMap<String, Cell>>,
    /// What could not be tried here, and why.
    pub skipped: BTreeSet<String>,
}

/// One trial, done.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its name.
    pub name: Name,
    /// What it found.
    pub found: Vec<Found>,
    /// Whether the fault was never met, or the damage touched nothing.
    pub idle: bool,
    /// Why it says nothing, if the file system itself did not come back.
    pub void: Option<String>,
}

impl Results {
    /// Empties the cells of `subject` in `section`: it is tried anew.
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

    /// What fails the run, in words.
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
                // A few are the file system's right, whatever the size of the run.
                if cell.void > 2 && cell.void * 20 > cell.trials {
                    failures.push(format!(
                        "{name}: {section}: the file system did not come back in {} of {} trials: they say nothing",
                        cell.void, cell.trials
                    ));
                }
                let is_blind =
                    subject.promise == Promise::Loses && *section == Section::Power && !cell.loses();
                if is_blind && cell.trials > 0 {
                    failures.push(format!(
                        "{name}: a negative control that loses nothing in {} power cuts: the harness is blind",
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

    /// Whether anything acknowledged was seen to be gone.
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
        // The child that opens damaged files may die of them: that is what it is for, and it was noticed.
        Section::Damage => match finding {
            // The high-water mark is every store's.
            Finding::Wrong | Finding::Hung | Finding::UnnoticedTail => true,
            Finding::Unnoticed => role == Role::StoreFull,
            _ => false,
        },
        Section::Kill => true,
        // Who promises nothing about power may lose what was not synced, and be of no use then. That is all.
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
    fn what_fails_a_run_depends_on_what_was_promised() {
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
    fn a_rare_finding_keeps_its_name_beside_a_common_one() {
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
    fn file_systems_that_do_not_come_back_are_counted_and_too_many_fail_the_run() {
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
        // That nothing opens any more is no loss that the harness has seen.
        cell.findings.insert(Finding::Unopenable, 3);
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell.clone());
        assert_eq!(results.failures().len(), 1);
        cell.findings.insert(Finding::Lost, 1);
        results.cells.entry(Section::Power).or_default().insert("a".into(), cell);
        assert!(results.failures().is_empty());
        // Nobody expects a control to lose anything to a kill.
        results
            .cells
            .entry(Section::Kill)
            .or_default()
            .insert("a".into(), Cell { trials: 1, ..Cell::default() });
        assert!(results.failures().is_empty());
    }
}
