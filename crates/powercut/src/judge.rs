//! Compares what is left with what was done.
//!
//! For each writer, the rows that are left have to be the state behind one of its steps: at least the last that had to
//! survive, at most the last that had begun. What is no such state is torn; what holds a value that no step wrote is
//! wrong. Between writers, a commit that was acknowledged before another began is not missing while the other is there.

use crate::look::{Checkpoint, Row, State};
use crate::marks::{Mark, What};
use crate::script::{KEYSPACES, Script, Step};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// What a trial found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// An acknowledged commit is missing.
    Lost,
    /// A batch is there by half, or a later commit without an earlier one.
    Torn,
    /// A value that was never written under that key, or a row that nobody wrote.
    Wrong,
    /// It does not open, or cannot be read.
    Unopenable,
    /// It opened and read, and then could not be written, closed or opened again.
    Unusable,
    /// A condition was judged wrongly.
    Condition,
    /// The process that opened it did not answer in time.
    Hung,
    /// The process that opened it died.
    Crashed,
    /// A commit was accepted on a handle on which an earlier one had failed.
    WentOn,
    /// Something is missing, and neither opening, reading nor verifying said so.
    Unnoticed,
    /// The newest commits are missing, more than a second's, and neither opening, reading nor verifying said so.
    UnnoticedTail,
    /// Damage was noticed: by opening, reading or verifying.
    Noticed,
    /// Nothing that matters was damaged: all is there, and verifying says so.
    Harmless,
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Lost,
        Self::Torn,
        Self::Wrong,
        Self::Unopenable,
        Self::Unusable,
        Self::Condition,
        Self::Hung,
        Self::Crashed,
        Self::WentOn,
        Self::Unnoticed,
        Self::UnnoticedTail,
        Self::Noticed,
        Self::Harmless,
    ];
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lost => "lost",
            Self::Torn => "torn",
            Self::Wrong => "wrong",
            Self::Unopenable => "unopenable",
            Self::Unusable => "unusable",
            Self::Condition => "condition",
            Self::Hung => "hung",
            Self::Crashed => "crashed",
            Self::WentOn => "went on",
            Self::Unnoticed => "unnoticed",
            Self::UnnoticedTail => "unnoticed tail",
            Self::Noticed => "noticed",
            Self::Harmless => "harmless",
        })
    }
}

/// A finding and what it is about.
pub type Found = (Finding, String);

/// Length and hash of a value; a keyspace itself counts as a row with an empty key.
type Content = (u64, u64);
type Place = (String, String);

/// What a step changes.
#[derive(Debug, Clone)]
enum Effect {
    Row(Place, Option<Content>),
    DropKeyspace(String),
}

/// A script, with what each step leaves.
#[derive(Debug)]
pub struct History {
    script: Script,
    effects: Vec<Vec<Vec<Effect>>>,
    /// Every value that a place may ever hold.
    known: HashMap<Place, BTreeSet<Content>>,
}

/// How far a writer came.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// The place among the marks at which each step began.
    begun: Vec<usize>,
    /// And ended.
    ended: Vec<Option<(usize, What)>>,
}

impl History {
    /// Works out what every step leaves.
    pub fn new(script: Script) -> Self {
        let effects: Vec<Vec<Vec<Effect>>> =
            script.writers.iter().map(|steps| steps.iter().map(effects_of).collect()).collect();
        let mut known: HashMap<Place, BTreeSet<Content>> = HashMap::new();
        for effect in effects.iter().flatten().flatten() {
            if let Effect::Row(place, Some(content)) = effect {
                known.entry(place.clone()).or_default().insert(*content);
            }
        }
        Self { script, effects, known }
    }

    /// The script.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Conditions that were not judged as the script says.
    pub fn conditions(&self, marks: &[Mark]) -> Vec<Found> {
        let mut found = Vec::new();
        for mark in marks {
            let step = self.script.writers.get(mark.writer).and_then(|steps| steps.get(mark.step));
            let Some(Step::Commit { holds, .. }) = step else { continue };
            let wrong = match mark.what {
                What::Acknowledged => !holds,
                What::Refused => *holds,
                _ => false,
            };
            if wrong {
                let what = if *holds { "refused though it held" } else { "accepted though it did not hold" };
                found.push((
                    Finding::Condition,
                    format!("writer {} step {}: a condition was {what}", mark.writer, mark.step),
                ));
            }
        }
        found
    }

    /// What is wrong with the state that is left after `marks` had been made. Buffered commits since the last
    /// power-safe one may be gone, whether the power went or the process.
    pub fn judge(&self, marks: &[Mark], state: &State) -> Vec<Found> {
        let progress = self.progress(marks);
        let bounds: Vec<(usize, usize)> = (0..progress.len())
            .map(|writer| {
                // What was said not to be done must not be there.
                let is_undone = |mark: &Mark| mark.what == What::Undone && mark.writer == writer;
                let undone = usize::from(marks.iter().any(is_undone));
                (self.required(&progress, writer), progress[writer].begun.len() - undone)
            })
            .collect();
        let ready = marks.iter().any(|mark| mark.what == What::Ready);
        let (mut found, prefixes) = self.within(state, &bounds, ready);
        if found.is_empty() {
            found.extend(out_of_order(&progress, &prefixes));
        }
        found
    }

    /// What is wrong with rows of a store that could not be read to its end: those that nobody wrote.
    pub fn judge_part(&self, state: &State) -> Vec<Found> {
        self.strange(state)
    }

    /// What is wrong with the checkpoints beside the store. One that was acknowledged has to be there.
    pub fn judge_checkpoints(&self, marks: &[Mark], seen: &[Checkpoint]) -> Vec<Found> {
        let mut found = Vec::new();
        for (writer, steps) in self.script.writers.iter().enumerate() {
            for (at, step) in steps.iter().enumerate() {
                let Step::Checkpoint(name) = step else { continue };
                if let Some(there) = seen.iter().find(|checkpoint| checkpoint.name == *name) {
                    found.extend(self.judge_checkpoint(marks, writer, at, there.state.as_ref()));
                } else if marks.contains(&Mark::new(What::Acknowledged, writer, at)) {
                    found.push((Finding::Lost, format!("the checkpoint of step {at} is gone")));
                }
            }
        }
        found
    }

    /// What is wrong with a checkpoint that `writer` made in its step `step`; `state` is none if it does not open.
    fn judge_checkpoint(
        &self,
        marks: &[Mark],
        writer: usize,
        step: usize,
        state: Option<&State>,
    ) -> Vec<Found> {
        let progress = self.progress(marks);
        let own = &progress[writer];
        let Some(&began) = own.begun.get(step) else { return Vec::new() };
        let ended = own.ended.get(step).copied().flatten();
        let finished = matches!(ended, Some((_, What::Acknowledged)));
        let Some(state) = state else {
            // One that was cut short may be anything but a store that opens with less in it.
            return if finished {
                vec![(Finding::Unopenable, format!("the checkpoint of step {step} does not open"))]
            } else {
                Vec::new()
            };
        };
        let until = ended.map_or(marks.len(), |(at, _)| at);
        let bounds: Vec<(usize, usize)> = progress
            .iter()
            .map(|progress| {
                let is_before = |(at, what): &&(usize, What)| *at < began && *what != What::Failed;
                let acknowledged = progress.ended.iter().flatten().filter(is_before).count();
                let possible = progress.begun.iter().filter(|at| **at < until).count();
                (acknowledged, possible)
            })
            .collect();
        let (found, _) = self.within(state, &bounds, true);
        found.into_iter().map(|(finding, text)| (finding, format!("checkpoint: {text}"))).collect()
    }

    /// After damage, what is missing or stale in `state`, if anything is: the steps that had ended before the last
    /// [`What::Settled`] have to be there, all later ones may be. It is [`Finding::UnnoticedTail`] if
    /// what is there is a whole earlier state, and [`Finding::Unnoticed`] otherwise. An `Err` is a wrong value.
    pub fn missing(&self, marks: &[Mark], state: &State) -> Result<Option<Found>, String> {
        let progress = self.progress(marks);
        let settled = marks.iter().rposition(|mark| mark.what == What::Settled).unwrap_or(0);
        let ended = marks.iter().any(|mark| mark.what == What::Ended);
        let bounds: Vec<(usize, usize)> = progress
            .iter()
            .map(|progress| {
                let by = |at: usize| progress.ended.iter().flatten().filter(|(end, _)| *end < at).count();
                (if ended { progress.begun.len() } else { by(settled) }, progress.begun.len())
            })
            .collect();
        let (found, _) = self.within(state, &bounds, true);
        if let Some((_, text)) = found.iter().find(|(finding, _)| *finding == Finding::Wrong) {
            return Err(text.clone());
        }
        let has_all = KEYSPACES.iter().all(|name| state.keyspaces.iter().any(|found| found == name));
        let is_tail = has_all && found.iter().all(|(finding, _)| *finding == Finding::Lost);
        let kind = if is_tail { Finding::UnnoticedTail } else { Finding::Unnoticed };
        Ok(found.into_iter().next().map(|(_, text)| (kind, text)))
    }

    fn progress(&self, marks: &[Mark]) -> Vec<Progress> {
        let mut all = vec![Progress::default(); self.script.writers.len()];
        for (at, mark) in marks.iter().enumerate() {
            let Some(progress) = all.get_mut(mark.writer) else { continue };
            match mark.what {
                What::Begun => {
                    progress.begun.push(at);
                    progress.ended.push(None);
                }
                What::Acknowledged | What::Refused | What::Lacking | What::Failed => {
                    if let Some(ended) = progress.ended.get_mut(mark.step) {
                        *ended = Some((at, mark.what));
                    }
                }
                _ => {}
            }
        }
        all
    }

    /// How many steps of `writer` have to be there: those of which a power-safe commit was the last, and whatever was
    /// acknowledged before such a commit of another writer began.
    fn required(&self, all: &[Progress], writer: usize) -> usize {
        let before = self.last_safe(all);
        let mut required = 0;
        for (step, ended) in all[writer].ended.iter().enumerate() {
            let Some((at, what)) = *ended else { continue };
            if what != What::Failed && (at < before || self.is_safe(writer, step, what)) {
                required = step + 1;
            }
        }
        required
    }

    /// Where the last power-safe commit that was acknowledged began.
    fn last_safe(&self, all: &[Progress]) -> usize {
        let mut last = 0;
        for (writer, progress) in all.iter().enumerate() {
            for (step, ended) in progress.ended.iter().enumerate() {
                if ended.is_some_and(|(_, what)| self.is_safe(writer, step, what)) {
                    last = last.max(progress.begun[step]);
                }
            }
        }
        last
    }

    fn is_safe(&self, writer: usize, step: usize, what: What) -> bool {
        what == What::Acknowledged
            && match &self.script.writers[writer][step] {
                Step::Commit { batch, .. } => !batch.buffered,
                Step::Create(_) | Step::Drop(_) => true,
                Step::Compact | Step::Checkpoint(_) => false,
            }
    }

    /// Whether each writer's rows are a state between its bounds; and which states they are.
    fn within(
        &self,
        state: &State,
        bounds: &[(usize, usize)],
        ready: bool,
    ) -> (Vec<Found>, Vec<(usize, usize)>) {
        let mut found = self.strange(state);
        if !found.is_empty() {
            return (found, Vec::new());
        }
        let names: BTreeSet<&str> = state.keyspaces.iter().map(String::as_str).collect();
        if ready && let Some(lost) = KEYSPACES.iter().find(|name| !names.contains(*name)) {
            return (vec![(Finding::Lost, format!("the keyspace {lost} is gone"))], Vec::new());
        }
        let mut prefixes = Vec::new();
        for (writer, &(required, possible)) in bounds.iter().enumerate() {
            let rows = rows_of(state, writer);
            let states = self.states(writer, &rows, possible);
            match (states.first(), states.last()) {
                (Some(_), Some(&last)) if last < required => {
                    let text = format!(
                        "writer {writer}: {} of {required} acknowledged steps are gone",
                        required - last
                    );
                    found.push((Finding::Lost, text));
                }
                (Some(&first), Some(&last)) => prefixes.push((first, last)),
                _ => {
                    let text = format!("writer {writer}: no state between steps {required} and {possible}");
                    found.push((Finding::Torn, text));
                }
            }
        }
        (found, prefixes)
    }

    /// Rows and keyspaces that nobody wrote, and values that were never there.
    fn strange(&self, state: &State) -> Vec<Found> {
        let mut found = Vec::new();
        for row in &state.rows {
            let place = (row.keyspace.clone(), row.key.clone());
            if !self.known.get(&place).is_some_and(|known| known.contains(&(row.len, row.hash))) {
                found.push((
                    Finding::Wrong,
                    format!("{} {}: a value that was never written", row.keyspace, row.key),
                ));
            }
        }
        for name in &state.keyspaces {
            let place = (name.clone(), String::new());
            if !KEYSPACES.contains(&name.as_str()) && !self.known.contains_key(&place) {
                found.push((Finding::Wrong, format!("a keyspace {name} that nobody made")));
            }
        }
        found
    }

    /// After how many steps of `writer`, up to `possible`, its rows are just `rows`.
    fn states(&self, writer: usize, rows: &BTreeMap<Place, Content>, possible: usize) -> Vec<usize> {
        let mut model: BTreeMap<Place, Content> = BTreeMap::new();
        let mut differing = rows.len();
        let mut states = Vec::new();
        for step in 0..=possible.min(self.effects[writer].len()) {
            if differing == 0 {
                states.push(step);
            }
            for effect in self.effects[writer].get(step).into_iter().flatten() {
                let changes: Vec<(Place, Option<Content>)> = match effect {
                    Effect::Row(place, content) => vec![(place.clone(), *content)],
                    Effect::DropKeyspace(name) => model
                        .keys()
                        .filter(|(keyspace, _)| keyspace == name)
                        .map(|place| (place.clone(), None))
                        .collect(),
                };
                for (place, content) in changes {
                    let seen = rows.get(&place).copied();
                    let was_right = model.get(&place).copied() == seen;
                    match content {
                        Some(content) => model.insert(place, content),
                        None => model.remove(&place),
                    };
                    let is_right = content == seen;
                    match (was_right, is_right) {
                        (true, false) => differing += 1,
                        (false, true) => differing -= 1,
                        _ => {}
                    }
                }
            }
        }
        states
    }
}

/// A commit that is missing though it was acknowledged before one that is there had begun.
fn out_of_order(progress: &[Progress], prefixes: &[(usize, usize)]) -> Option<Found> {
    for (writer, &(_, last)) in prefixes.iter().enumerate() {
        let Some(Some((acknowledged, what))) = progress[writer].ended.get(last) else { continue };
        // One that failed is rightly missing, and others may go on.
        if *what == What::Failed {
            continue;
        }
        for (other, &(first, _)) in prefixes.iter().enumerate() {
            let begun = first.checked_sub(1).and_then(|step| progress[other].begun.get(step));
            if other != writer && begun.is_some_and(|begun| begun > acknowledged) {
                let text = format!(
                    "writer {writer} step {last} is missing, but step {} of writer {other}, which began later, is there",
                    first - 1
                );
                return Some((Finding::Torn, text));
            }
        }
    }
    None
}

fn effects_of(step: &Step) -> Vec<Effect> {
    match step {
        Step::Commit { batch, holds: true } => batch
            .ops
            .iter()
            .map(|op| {
                let place = (op.keyspace.clone(), op.key.clone());
                Effect::Row(place, op.value.map(|value| Row::content_of(&value.bytes())))
            })
            .collect(),
        Step::Create(name) => vec![Effect::Row((name.clone(), String::new()), Some((0, 0)))],
        Step::Drop(name) => vec![Effect::DropKeyspace(name.clone())],
        Step::Commit { holds: false, .. } | Step::Compact | Step::Checkpoint(_) => Vec::new(),
    }
}

/// The rows and keyspaces that belong to a writer.
fn rows_of(state: &State, writer: usize) -> BTreeMap<Place, Content> {
    let (rows, keyspaces) = (format!("w{writer}/"), format!("extra-{writer}-"));
    let own = state.rows.iter().filter(|row| row.key.starts_with(&rows));
    let mut all: BTreeMap<Place, Content> =
        own.map(|row| ((row.keyspace.clone(), row.key.clone()), (row.len, row.hash))).collect();
    let own = state.keyspaces.iter().filter(|name| name.starts_with(&keyspaces));
    all.extend(own.map(|name| ((name.clone(), String::new()), (0, 0))));
    all
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
