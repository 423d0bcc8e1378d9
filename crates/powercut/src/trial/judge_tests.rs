//! Maps each possible result of an inspection to its finding.

use super::damage::judge as judge_damage;
use super::fault::judge_end;
use super::look::judge_look;
use crate::child::{Look, Outcome};
use crate::judge::{Finding, Found, History};
use crate::look::{Checkpoint, Row, Seen, State};
use crate::marks::Mark;
use crate::marks::What;
use crate::script::{Batch, KEYSPACES, Op, Script, Step, Value};
use crate::subject::{Failure, Role};

const VALUE: Value = Value { seed: 1, len: 20 };

/// A history of one row and one checkpoint.
fn history() -> History {
    let op = Op::new(KEYSPACES[0], "w0/step", Some(VALUE));
    let batch = Batch { ops: vec![op], ..Batch::default() };
    let steps = vec![Step::Commit { batch, holds: true }, Step::Checkpoint("checkpoint-0".to_owned())];
    History::new(Script { writers: vec![steps] })
}

/// Marks of a script that ran to its end and closed the store.
fn marks() -> Vec<Mark> {
    let mark = Mark::new;
    let steps = [(What::Begun, 0), (What::Acknowledged, 0), (What::Begun, 1), (What::Acknowledged, 1)];
    let steps = steps.into_iter().map(|(what, step)| mark(what, 0, step));
    [mark(What::Ready, 0, 0)].into_iter().chain(steps).chain([mark(What::Ended, 0, 0)]).collect()
}

fn whole() -> State {
    let (len, hash) = Row::content_of(&VALUE.bytes());
    let row = Row { keyspace: KEYSPACES[0].to_owned(), key: "w0/step".to_owned(), len, hash };
    State { keyspaces: KEYSPACES.map(str::to_owned).to_vec(), rows: vec![row] }
}

fn sound() -> Seen {
    let checkpoint = Checkpoint { name: "checkpoint-0".to_owned(), state: Some(whole()) };
    Seen { state: whole(), checkpoints: vec![checkpoint], ..Seen::default() }
}

fn spoilt(spoil: impl Fn(&mut Seen)) -> Look {
    let mut seen = sound();
    spoil(&mut seen);
    Look { seen: Some(seen), ended: Outcome::Done(()) }
}

/// A child that died or hung before it reported anything.
fn silent(ended: Outcome<()>) -> Look {
    Look { seen: None, ended }
}

/// A child that reported something and then died.
fn dying(spoil: impl Fn(&mut Seen)) -> Look {
    Look { ended: Outcome::Died("signal 7".to_owned()), ..spoilt(spoil) }
}

fn empty(state: &mut State) {
    state.rows.clear();
}

fn failure() -> Failure {
    Failure::new("a failure")
}

fn text() -> String {
    "a detail".to_owned()
}

fn findings(found: &[Found]) -> Vec<Finding> {
    found.iter().map(|(finding, _)| *finding).collect()
}

#[test]
fn every_problem_seen_after_an_interruption_is_a_finding() {
    let judge = |outcome, role| findings(&judge_look(&history(), &marks(), outcome, role));
    assert_eq!(judge(spoilt(|_| {}), Role::Store), []);
    for (outcome, finding) in [
        (silent(Outcome::Hung), Finding::Hung),
        (silent(Outcome::Died("signal 11".to_owned())), Finding::Crashed),
        (spoilt(|seen| seen.refused = Some(failure())), Finding::Unopenable),
        (spoilt(|seen| seen.unread = Some(failure())), Finding::Unopenable),
        (spoilt(|seen| seen.differs = Some(text())), Finding::Wrong),
        (spoilt(|seen| seen.state.rows[0].hash ^= 1), Finding::Wrong),
        (spoilt(|seen| empty(&mut seen.state)), Finding::Lost),
        (spoilt(|seen| seen.condition = Some(text())), Finding::Condition),
        (spoilt(|seen| seen.unusable = Some(text())), Finding::Unusable),
        (spoilt(|seen| seen.verify = Some(failure())), Finding::Unusable),
        (spoilt(|seen| seen.checkpoints.clear()), Finding::Lost),
        (spoilt(|seen| seen.checkpoints[0].state = None), Finding::Unopenable),
        (spoilt(|seen| seen.checkpoints[0].state.iter_mut().for_each(empty)), Finding::Lost),
    ] {
        assert_eq!(judge(outcome.clone(), Role::Store), [finding], "{outcome:?}");
    }
    assert_eq!(judge(dying(|_| {}), Role::Store), [Finding::Crashed]);
    assert_eq!(judge(dying(|seen| empty(&mut seen.state)), Role::Store), [Finding::Crashed, Finding::Lost]);
    let unread = |seen: &mut Seen| (seen.unread = Some(failure()), empty(&mut seen.state)).1;
    assert_eq!(judge(dying(unread), Role::Store), [Finding::Crashed], "unread rows are not lost");
    // The own check of a raw engine may report damage that does not count.
    assert_eq!(judge(spoilt(|seen| seen.verify = Some(failure())), Role::Raw), []);
    // Results that the script itself saw count too.
    let mut refused = marks();
    refused[2].what = What::Refused;
    assert_eq!(
        findings(&judge_look(&history(), &refused, spoilt(|_| {}), Role::Store)),
        [Finding::Condition]
    );
}

#[test]
fn damage_is_noticed_unnoticed_or_harmless() {
    let judge = |outcome| judge_damage(&history(), &marks(), outcome).0;
    let wrong = |seen: &mut Seen| seen.state.rows[0].hash ^= 1;
    assert_eq!(judge(spoilt(|_| {})), Finding::Harmless);
    assert_eq!(judge(silent(Outcome::Hung)), Finding::Hung);
    assert_eq!(judge(silent(Outcome::Died("signal 7".to_owned()))), Finding::Crashed);
    assert_eq!(judge(dying(|seen| empty(&mut seen.state))), Finding::Crashed);
    assert_eq!(judge(dying(wrong)), Finding::Wrong, "the wrong value was returned before");
    for notice in [
        |seen: &mut Seen| seen.refused = Some(failure()),
        |seen: &mut Seen| seen.unread = Some(failure()),
        |seen: &mut Seen| seen.verify = Some(failure()),
    ] {
        assert_eq!(judge(spoilt(notice)), Finding::Noticed);
        assert_eq!(judge(spoilt(|seen| (notice(seen), empty(&mut seen.state)).1)), Finding::Noticed);
        // A wrong value counts even if the damage was noticed.
        assert_eq!(judge(spoilt(|seen| (notice(seen), wrong(seen)).1)), Finding::Wrong);
    }
    assert_eq!(judge(spoilt(wrong)), Finding::Wrong);
    assert_eq!(judge(spoilt(|seen| empty(&mut seen.state))), Finding::UnnoticedTail);
    assert_eq!(judge(spoilt(|seen| seen.differs = Some(text()))), Finding::Unnoticed);
}

#[test]
fn a_script_on_a_failing_disk_may_give_up_but_not_hang_die_or_continue() {
    let judge = |outcome, marks: &[Mark]| findings(&judge_end(outcome, marks));
    assert_eq!(judge(Outcome::Done(()), &marks()), []);
    assert_eq!(judge(Outcome::Failed("no space".to_owned()), &[]), []);
    assert_eq!(judge(Outcome::Hung, &[]), [Finding::Hung]);
    assert_eq!(judge(Outcome::Died("signal 6".to_owned()), &[]), [Finding::Crashed]);
    assert_eq!(judge(Outcome::Done(()), &[Mark::new(What::Poisoned, 0, 1)]), []);
    assert_eq!(judge(Outcome::Done(()), &[Mark::new(What::WentOn, 0, 1)]), [Finding::WentOn]);
}
