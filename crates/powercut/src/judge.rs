//! Compares the rows that are left with the script that wrote them.
//!
//! For each writer, the remaining rows must be the state after one of its steps: at least the last one that had to
//! survive, at most the last one that had begun. Any other state is torn, and a value that no step wrote is wrong.
//! Between writers, a commit that was acknowledged before another began must not be missing while the other exists.

use crate::look::{Checkpoint, Row, State};
use crate::marks::{Mark, What};
use crate::script::{KEYSPACES, Script, Step};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// A kind of result of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// An acknowledged commit is missing.
    Lost,
    /// Half of a batch is there, or a later commit without an earlier one.
    Torn,
    /// A value that was never written under that key, or a row that was never written.
    Wrong,
    /// The store does not open, or cannot be read.
    Unopenable,
    /// The store could be opened and read, but then not written, closed or reopened.
    Unusable,
    /// A condition was evaluated wrongly.
    Condition,
    /// The process that opened it did not answer in time.
    Hung,
    /// The process that opened it died.
    Crashed,
    /// A commit was accepted on a handle on which an earlier one had failed.
    WentOn,
    /// Rows are missing, and neither opening, reading nor verifying reported it.
    Unnoticed,
    /// The newest commits are missing, over more than a second, and neither opening, reading nor verifying reported
    /// it.
    UnnoticedTail,
    /// Opening, reading or verifying reported the damage.
    Noticed,
    /// The damage had no effect: all rows are there, and verifying passes.
    Harmless,
}

impl Finding {
    /// All findings.
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

/// A finding and its details.
pub type Found = (Finding, String);

/// Length and hash of a value; a keyspace itself counts as a row with an empty key.
type Content = (u64, u64);
type Place = (String, String);

/// A change made by a step.
#[derive(Debug, Clone)]
enum Effect {
    Row(Place, Option<Content>),
    DropKeyspace(String),
}

/// A script with the effects of each step.
#[derive(Debug)]
pub struct History {
    script: Script,
    effects: Vec<Vec<Vec<Effect>>>,
    /// Every value that a step writes to a place.
    known: HashMap<Place, BTreeSet<Content>>,
    /// See [`History::with_false_sync`].
    has_false_sync: bool,
}

/// The progress of a writer.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// The index of the mark at which each step began.
    begun: Vec<usize>,
    /// The index and outcome of the mark at which each step ended.
    ended: Vec<Option<(usize, What)>>,
}

impl History {
    /// Computes the effects of every step.
    pub fn new(script: Script) -> Self {
        let effects: Vec<Vec<Vec<Effect>>> =
            script.writers.iter().map(|steps| steps.iter().map(effects_of).collect()).collect();
        let mut known: HashMap<Place, BTreeSet<Content>> = HashMap::new();
        for effect in effects.iter().flatten().flatten() {
            if let Effect::Row(place, Some(content)) = effect {
                known.entry(place.clone()).or_default().insert(*content);
            }
        }
        Self { script, effects, known, has_false_sync: false }
    }

    /// For a file system that may report a successful sync of one file although a flush has failed while it synced
    /// another one. ext4 on Linux 6.18 does (traced), and XFS seems to (seen once): where the second file's blocks were allocated in the transaction that could
    /// not be committed, its `fdatasync` finds that transaction gone and returns 0. Nobody above can notice. So a writer's
    /// last acknowledged commit may be missing if it was in flight together with a checkpoint that failed.
    #[must_use]
    pub fn with_false_sync(mut self) -> Self {
        self.has_false_sync = true;
        self
    }

    /// The script.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Returns conditions whose outcome differs from the script.
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

    /// Returns what is wrong with the state left by a run that made `marks`. Buffered commits since the last
    /// power-safe one may be missing, whether the power or the process failed.
    pub fn judge(&self, marks: &[Mark], state: &State) -> Vec<Found> {
        let progress = self.progress(marks);
        let bounds: Vec<(usize, usize)> = (0..progress.len())
            .map(|writer| {
                // A step reported as undone must not be visible.
                let is_undone = |mark: &Mark| mark.what == What::Undone && mark.writer == writer;
                let undone = usize::from(marks.iter().any(is_undone));
                let false_syncs = usize::from(self.may_have_false_sync(&progress, writer));
                (self.required(&progress, writer) - false_syncs, progress[writer].begun.len() - undone)
            })
            .collect();
        let ready = marks.iter().any(|mark| mark.what == What::Ready);
        let (mut found, prefixes) = self.within(state, &bounds, ready);
        if found.is_empty() {
            found.extend(out_of_order(&progress, &prefixes));
        }
        found
    }

    /// Returns what is wrong with rows of a store that could not be read completely: those that were never written.
    pub fn judge_part(&self, state: &State) -> Vec<Found> {
        self.strange(state)
    }

    /// Returns what is wrong with the checkpoints next to the store. An acknowledged one must exist.
    pub fn judge_checkpoints(&self, marks: &[Mark], seen: &[Checkpoint]) -> Vec<Found> {
        let mut found = Vec::new();
        for (writer, steps) in self.script.writers.iter().enumerate() {
            for (at, step) in steps.iter().enumerate() {
                let Step::Checkpoint(name) = step else { continue };
                if let Some(there) = seen.iter().find(|checkpoint| checkpoint.name == *name) {
                    found.extend(self.judge_checkpoint(marks, writer, at, there.state.as_ref()));
                } else if marks.contains(&Mark::new(What::Acknowledged, writer, at)) {
                    found.push((Finding::Lost, format!("the checkpoint of step {at} is missing")));
                }
            }
        }
        found
    }

    /// Returns what is wrong with the checkpoint of step `step` of `writer`; `state` is `None` if it does not open.
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
            // An interrupted checkpoint may be anything except a store that opens with rows missing.
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

    /// Returns what is missing or stale in `state` after damage, if anything. Steps that ended before the last
    /// [`What::Settled`] must be there, later ones may be missing. The finding is [`Finding::UnnoticedTail`] if the
    /// rows form a complete earlier state, and [`Finding::Unnoticed`] otherwise. An `Err` describes a wrong value.
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

    /// How many steps of `writer` must be there: those up to its last power-safe commit, and those acknowledged
    /// before a power-safe commit of another writer began.
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

    /// Whether the last step that must be there was acknowledged by a sync that may be false.
    fn may_have_false_sync(&self, all: &[Progress], writer: usize) -> bool {
        let Some(last) = self.required(all, writer).checked_sub(1) else { return false };
        let Some((end, _)) = all[writer].ended[last] else { return false };
        let begin = all[writer].begun[last];
        let was_acknowledged_later =
            all[writer].ended[last + 1..].iter().flatten().any(|(_, what)| *what == What::Acknowledged);
        let overlaps =
            |progress: &Progress, step: usize, failed: usize| progress.begun[step] < end && begin < failed;
        self.has_false_sync
            && !was_acknowledged_later
            && all.iter().zip(&self.script.writers).any(|(progress, steps)| {
                progress.ended.iter().enumerate().any(|(step, ended)| {
                    matches!(steps[step], Step::Checkpoint(_))
                        && ended
                            .is_some_and(|(at, what)| what == What::Failed && overlaps(progress, step, at))
                })
            })
    }

    /// The mark at which the last acknowledged power-safe commit began.
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

    /// Checks that each writer's rows are a state between its bounds; returns findings, and the first and last
    /// such state of each writer.
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
            return (vec![(Finding::Lost, format!("the keyspace {lost} is missing"))], Vec::new());
        }
        let mut prefixes = Vec::new();
        for (writer, &(required, possible)) in bounds.iter().enumerate() {
            let rows = rows_of(state, writer);
            let states = self.states(writer, &rows, possible);
            match (states.first(), states.last()) {
                (Some(_), Some(&last)) if last < required => {
                    let text = format!(
                        "writer {writer}: {} of {required} acknowledged steps are missing",
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

    /// Returns rows, values and keyspaces that no step wrote.
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
                found.push((Finding::Wrong, format!("a keyspace {name} that was never created")));
            }
        }
        found
    }

    /// The numbers of steps of `writer`, up to `possible`, after which its rows are exactly `rows`.
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

/// Returns a missing commit that was acknowledged before another commit, which is there, had begun.
fn out_of_order(progress: &[Progress], prefixes: &[(usize, usize)]) -> Option<Found> {
    for (writer, &(_, last)) in prefixes.iter().enumerate() {
        let Some(Some((acknowledged, what))) = progress[writer].ended.get(last) else { continue };
        // A failed step may be missing while later steps of other writers are there.
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
