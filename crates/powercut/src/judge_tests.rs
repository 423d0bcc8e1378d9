use super::*;
use crate::script::{Batch, Op, Value, Workload};

/// A script with `steps` commits of two rows in two keyspaces each.
fn script(writers: usize, steps: usize) -> Script {
    let op = |keyspace: usize, key: String, seed: u64| {
        Op::new(KEYSPACES[keyspace], key, Some(Value { seed, len: 20 }))
    };
    let writer = |writer: usize| {
        (0..steps)
            .map(|step| {
                let seed = (writer * 1_000 + step) as u64;
                let ops = vec![
                    op(0, format!("w{writer}/step"), seed),
                    op(1, format!("w{writer}/{}", step % 3), seed + 500),
                ];
                Step::Commit { batch: Batch { ops, ..Batch::default() }, holds: true }
            })
            .collect()
    };
    Script { writers: (0..writers).map(writer).collect() }
}

/// The state of a store after the given number of steps of each writer.
fn state(script: &Script, steps: &[usize]) -> State {
    let mut rows: BTreeMap<Place, Content> = BTreeMap::new();
    let mut keyspaces: BTreeSet<String> = KEYSPACES.iter().map(|name| (*name).to_owned()).collect();
    for (writer, steps) in script.writers.iter().zip(steps) {
        for effect in writer.iter().take(*steps).flat_map(effects_of) {
            match effect {
                Effect::Row((name, key), Some(_)) if key.is_empty() => drop(keyspaces.insert(name)),
                Effect::Row(place, Some(content)) => drop(rows.insert(place, content)),
                Effect::Row(place, None) => drop(rows.remove(&place)),
                Effect::DropKeyspace(name) => {
                    keyspaces.remove(&name);
                    rows.retain(|(keyspace, _), _| *keyspace != name);
                }
            }
        }
    }
    let row = |((keyspace, key), (len, hash))| Row { keyspace, key, len, hash };
    State { keyspaces: keyspaces.into_iter().collect(), rows: rows.into_iter().map(row).collect() }
}

/// Marks of `steps` acknowledged steps of writer 0, plus one that only began if `open`.
fn marks(steps: usize, open: bool) -> Vec<Mark> {
    let mut marks = vec![Mark::new(What::Ready, 0, 0)];
    for step in 0..steps {
        marks.extend([Mark::new(What::Begun, 0, step), Mark::new(What::Acknowledged, 0, step)]);
    }
    if open {
        marks.push(Mark::new(What::Begun, 0, steps));
    }
    marks
}

fn findings(found: &[Found]) -> Vec<Finding> {
    found.iter().map(|(finding, _)| *finding).collect()
}

#[test]
fn acknowledged_steps_are_required_and_a_begun_step_is_allowed() {
    let script = script(1, 6);
    let history = History::new(script.clone());
    let judge = |steps| findings(&history.judge(&marks(4, true), &state(&script, &[steps])));
    assert_eq!(judge(4), []);
    assert_eq!(judge(5), []);
    assert_eq!(judge(3), [Finding::Lost]);
    assert_eq!(judge(0), [Finding::Lost]);
    // A step that had not begun at the power cut.
    assert_eq!(judge(6), [Finding::Torn]);
}

#[test]
fn a_step_reported_as_undone_must_not_be_there() {
    let script = script(1, 6);
    let history = History::new(script.clone());
    let mut marks = marks(4, true);
    marks.extend([Mark::new(What::Failed, 0, 4), Mark::new(What::Failed, 0, 4)]);
    let judge = |marks: &[Mark], steps| findings(&history.judge(marks, &state(&script, &[steps])));
    assert_eq!(judge(&marks, 5), [], "a failed step may have been done");
    marks.push(Mark::new(What::Undone, 0, 4));
    assert_eq!(judge(&marks, 4), []);
    assert_eq!(judge(&marks, 5), [Finding::Torn]);
}

#[test]
fn half_a_batch_is_torn() {
    let script = script(1, 6);
    let history = History::new(script.clone());
    let mut torn = state(&script, &[5]);
    let before = state(&script, &[4]);
    torn.rows[0] = before.rows[0].clone();
    assert_eq!(findings(&history.judge(&marks(4, true), &torn)), [Finding::Torn]);
    let mut without = state(&script, &[4]);
    without.rows.remove(1);
    assert_eq!(findings(&history.judge(&marks(4, true), &without)), [Finding::Torn]);
}

#[test]
fn values_rows_and_keyspaces_that_were_never_written_are_wrong() {
    let script = script(1, 4);
    let history = History::new(script.clone());
    let whole = state(&script, &[4]);
    for spoil in [
        |state: &mut State| state.rows[1].hash ^= 1,
        |state: &mut State| state.rows[1].key = "w0/9".to_owned(),
        |state: &mut State| state.rows[1].keyspace = KEYSPACES[2].to_owned(),
        |state: &mut State| state.keyspaces.push("strange".to_owned()),
    ] {
        let mut spoilt = whole.clone();
        spoil(&mut spoilt);
        assert_eq!(findings(&history.judge(&marks(4, false), &spoilt)), [Finding::Wrong]);
    }
}

#[test]
fn a_missing_keyspace_is_lost_only_after_it_was_created() {
    let script = script(1, 1);
    let history = History::new(script.clone());
    let nothing = State::default();
    assert_eq!(findings(&history.judge(&marks(0, false), &nothing)), [Finding::Lost]);
    assert_eq!(history.judge(&[], &nothing), []);
}

#[test]
fn buffered_commits_may_be_missing_until_a_power_safe_one_follows() {
    let mut script = script(1, 6);
    for (step, taken) in script.writers[0].iter_mut().enumerate() {
        if let Step::Commit { batch, .. } = taken {
            batch.buffered = step != 2;
        }
    }
    let history = History::new(script.clone());
    let judge = |steps| findings(&history.judge(&marks(5, false), &state(&script, &[steps])));
    assert_eq!(judge(2), [Finding::Lost]);
    assert_eq!(judge(3), []);
    assert_eq!(judge(5), []);
}

#[test]
fn writers_are_checked_separately_and_their_order_together() {
    let script = script(2, 3);
    let history = History::new(script.clone());
    let mark = Mark::new;
    // Writer 0 has its step acknowledged before writer 1 begins its own.
    let marks = [
        mark(What::Ready, 0, 0),
        mark(What::Begun, 0, 0),
        mark(What::Acknowledged, 0, 0),
        mark(What::Begun, 1, 0),
    ];
    let judge = |steps: [usize; 2], marks: &[Mark]| findings(&history.judge(marks, &state(&script, &steps)));
    assert_eq!(judge([1, 0], &marks), []);
    assert_eq!(judge([1, 1], &marks), []);
    assert_eq!(judge([0, 0], &marks), [Finding::Lost]);
    // If buffered, the first may be missing, but not while the second is there.
    let mut buffered = script.clone();
    for step in buffered.writers.iter_mut().flatten() {
        if let Step::Commit { batch, .. } = step {
            batch.buffered = true;
        }
    }
    let history = History::new(buffered.clone());
    let judge = |steps: [usize; 2]| findings(&history.judge(&marks, &state(&buffered, &steps)));
    assert_eq!(judge([0, 0]), []);
    assert_eq!(judge([0, 1]), [Finding::Torn]);
}

#[test]
fn keyspaces_come_and_go_with_their_steps() {
    let script = Script::new(Workload::Keyspaces, 3, 40);
    let history = History::new(script.clone());
    let steps = script.writers[0].len();
    for at in 0..=steps {
        let marks = marks(at, false);
        assert_eq!(history.judge(&marks, &state(&script, &[at])), [], "after step {at}");
        let mut more = state(&script, &[at]);
        more.keyspaces.push("extra-0-0".to_owned());
        let has_it = state(&script, &[at]).keyspaces.contains(&"extra-0-0".to_owned());
        if !has_it && at > 0 {
            assert_ne!(history.judge(&marks, &more), [], "after step {at}");
        }
    }
}

#[test]
fn a_condition_must_be_evaluated_as_the_script_says() {
    let script = Script::new(Workload::Batches, 1, 40);
    let history = History::new(script.clone());
    let holds = |wanted: bool| {
        let is_it = |step: &Step| matches!(step, Step::Commit { batch, holds } if *holds == wanted && !batch.conditions.is_empty());
        script.writers[0].iter().position(is_it).unwrap()
    };
    let conditions = |what, step| findings(&history.conditions(&[Mark::new(what, 0, step)]));
    assert_eq!(conditions(What::Acknowledged, holds(true)), []);
    assert_eq!(conditions(What::Refused, holds(false)), []);
    assert_eq!(conditions(What::Refused, holds(true)), [Finding::Condition]);
    assert_eq!(conditions(What::Acknowledged, holds(false)), [Finding::Condition]);
}

#[test]
fn a_checkpoint_contains_a_state_from_while_it_was_taken() {
    let mut script = script(1, 6);
    script.writers.push(vec![Step::Checkpoint("checkpoint-0".to_owned())]);
    let history = History::new(script.clone());
    let mut all = marks(2, false);
    all.push(Mark::new(What::Begun, 1, 0));
    all.push(Mark::new(What::Begun, 0, 2));
    let unfinished = all.clone();
    all.push(Mark::new(What::Acknowledged, 1, 0));
    all.push(Mark::new(What::Acknowledged, 0, 2));
    let judge = |marks: &[Mark], steps: Option<usize>| {
        let state = steps.map(|steps| state(&script, &[steps, 0]));
        findings(&history.judge_checkpoint(marks, 1, 0, state.as_ref()))
    };
    assert_eq!(judge(&all, Some(2)), []);
    assert_eq!(judge(&all, Some(3)), []);
    assert_eq!(judge(&all, Some(1)), [Finding::Lost]);
    assert_eq!(judge(&all, Some(4)), [Finding::Torn]);
    assert_eq!(judge(&all, None), [Finding::Unopenable]);
    // An interrupted checkpoint need not open, but must not open with rows missing.
    assert_eq!(judge(&unfinished, None), []);
    assert_eq!(judge(&unfinished, Some(1)), [Finding::Lost]);
}

#[test]
fn a_sync_concurrent_with_a_failing_checkpoint_may_be_false_where_the_file_system_is_known_for_it() {
    let mut script = script(1, 6);
    script.writers.push(vec![Step::Checkpoint("checkpoint-0".to_owned())]);
    let marks = |failed_before_begun: bool| {
        let mut marks = marks(1, false);
        let (begun, failed) = (Mark::new(What::Begun, 1, 0), Mark::new(What::Failed, 1, 0));
        let commit = [Mark::new(What::Begun, 0, 1), Mark::new(What::Acknowledged, 0, 1)];
        marks.push(begun);
        if failed_before_begun {
            marks.push(failed);
            marks.extend(commit);
        } else {
            marks.extend([commit[0], failed, commit[1]]);
        }
        marks
    };
    let judge = |history: &History, marks: &[Mark], steps: usize| {
        findings(&history.judge(marks, &state(&script, &[steps, 0])))
    };
    let history = History::new(script.clone());
    assert_eq!(judge(&history, &marks(false), 1), [Finding::Lost]);
    let history = history.with_false_sync();
    assert_eq!(judge(&history, &marks(false), 2), []);
    assert_eq!(judge(&history, &marks(false), 1), []);
    // Only the last commit, only if it was in flight then, and only if no later one succeeded.
    assert_eq!(judge(&history, &marks(false), 0), [Finding::Lost]);
    assert_eq!(judge(&history, &marks(true), 1), [Finding::Lost]);
    let later =
        [marks(false), vec![Mark::new(What::Begun, 0, 2), Mark::new(What::Acknowledged, 0, 2)]].concat();
    assert_eq!(judge(&history, &later, 1), [Finding::Lost]);
    assert_eq!(judge(&history, &later, 2), [Finding::Lost]);
}

#[test]
fn after_damage_only_commits_within_the_lag_may_be_missing() {
    let script = script(1, 6);
    let history = History::new(script.clone());
    let missing = |marks: &[Mark], steps| history.missing(marks, &state(&script, &[steps]));
    let mut died = marks(4, false);
    died.insert(5, Mark::new(What::Settled, 0, 2));
    assert_eq!(missing(&died, 4), Ok(None));
    assert_eq!(missing(&died, 2), Ok(None));
    assert!(missing(&died, 1).unwrap().is_some());
    let mut closed = marks(4, false);
    closed.push(Mark::new(What::Ended, 0, 0));
    assert_eq!(missing(&closed, 4), Ok(None));
    assert_eq!(missing(&closed, 3).unwrap().unwrap().0, Finding::UnnoticedTail);
    let mut torn = state(&script, &[4]);
    torn.rows.remove(1);
    assert_eq!(history.missing(&closed, &torn).unwrap().unwrap().0, Finding::Unnoticed);
    let mut without = state(&script, &[4]);
    without.keyspaces.retain(|name| name != KEYSPACES[2]);
    assert_eq!(history.missing(&closed, &without).unwrap().unwrap().0, Finding::Unnoticed);
    let mut wrong = state(&script, &[4]);
    wrong.rows[0].hash ^= 1;
    assert!(history.missing(&closed, &wrong).is_err());
}

/// The commits of both writers, buffered except those that `is_safe` selects.
fn buffered_but(is_safe: impl Fn(usize, usize) -> bool) -> Script {
    let mut script = script(2, 3);
    for (writer, steps) in script.writers.iter_mut().enumerate() {
        for (step, taken) in steps.iter_mut().enumerate() {
            if let Step::Commit { batch, .. } = taken {
                batch.buffered = !is_safe(writer, step);
            }
        }
    }
    script
}

#[test]
fn a_power_safe_commit_makes_durable_the_commits_acknowledged_before_it_began() {
    let script = buffered_but(|writer, _| writer == 1);
    let history = History::new(script.clone());
    let mark = Mark::new;
    let judge = |marks: &[Mark], steps: [usize; 2]| findings(&history.judge(marks, &state(&script, &steps)));
    let (begun, acknowledged) = (mark(What::Begun, 0, 0), mark(What::Acknowledged, 0, 0));
    let other = [mark(What::Begun, 1, 0), mark(What::Acknowledged, 1, 0)];
    let before = [&[begun, acknowledged][..], &other].concat();
    assert_eq!(judge(&before, [0, 1]), [Finding::Lost]);
    assert_eq!(judge(&before, [1, 1]), []);
    // A commit acknowledged during the other one may be missing,
    let meanwhile = [begun, other[0], acknowledged, other[1]];
    assert_eq!(judge(&meanwhile, [0, 1]), []);
    // and so may a failed one, even if it failed before.
    let failed = [&[begun, mark(What::Failed, 0, 0)][..], &other].concat();
    assert_eq!(judge(&failed, [0, 1]), []);
    assert_eq!(judge(&failed, [1, 1]), []);
}

#[test]
fn creating_or_dropping_a_keyspace_is_power_safe_and_a_compaction_is_not() {
    for (last, findings_of_a_loss) in [
        (Step::Create("extra-0-0".to_owned()), vec![Finding::Lost]),
        (Step::Drop("extra-0-0".to_owned()), vec![Finding::Lost]),
        (Step::Compact, vec![]),
        (Step::Checkpoint("checkpoint-0".to_owned()), vec![]),
    ] {
        let mut script = buffered_but(|_, _| false);
        script.writers[0].insert(1, last.clone());
        let history = History::new(script.clone());
        let marks = marks(2, false);
        assert_eq!(
            findings(&history.judge(&marks, &state(&script, &[0, 0]))),
            findings_of_a_loss,
            "{last:?}"
        );
        assert_eq!(history.judge(&marks, &state(&script, &[2, 0])), [], "{last:?}");
    }
}

#[test]
fn a_refused_step_changes_nothing() {
    let mut script = script(1, 3);
    if let Step::Commit { holds, .. } = &mut script.writers[0][2] {
        *holds = false;
    }
    let history = History::new(script.clone());
    let mut marks = marks(2, true);
    marks.push(Mark::new(What::Refused, 0, 2));
    assert_eq!(history.judge(&marks, &state(&script, &[2])), []);
    assert_eq!(findings(&history.judge(&marks, &state(&script, &[1]))), [Finding::Lost]);
}

#[test]
fn a_missing_keyspace_is_found_in_a_checkpoint_and_after_damage() {
    let mut script = script(1, 2);
    script.writers.push(vec![Step::Checkpoint("checkpoint-0".to_owned())]);
    let history = History::new(script.clone());
    let mut marks = marks(2, false);
    marks.extend([Mark::new(What::Begun, 1, 0), Mark::new(What::Acknowledged, 1, 0)]);
    marks.push(Mark::new(What::Ended, 0, 0));
    let mut without = state(&script, &[2, 0]);
    without.keyspaces.retain(|name| name != KEYSPACES[2]);
    assert!(history.missing(&marks, &without).unwrap().is_some());
    let seen = Checkpoint { name: "checkpoint-0".to_owned(), state: Some(without) };
    assert_eq!(findings(&history.judge_checkpoints(&marks, &[seen])), [Finding::Lost]);
}

#[test]
fn an_acknowledged_checkpoint_must_exist() {
    let mut script = script(1, 4);
    let name = "checkpoint-0".to_owned();
    script.writers.push(vec![Step::Checkpoint(name.clone())]);
    let history = History::new(script.clone());
    let mut marks = marks(2, false);
    marks.push(Mark::new(What::Begun, 1, 0));
    let unfinished = marks.clone();
    marks.push(Mark::new(What::Acknowledged, 1, 0));
    assert_eq!(history.judge_checkpoints(&unfinished, &[]), []);
    assert_eq!(findings(&history.judge_checkpoints(&marks, &[])), [Finding::Lost]);
    let seen = |steps| Checkpoint { name: name.clone(), state: Some(state(&script, &[steps, 0])) };
    assert_eq!(history.judge_checkpoints(&marks, &[seen(2)]), []);
    // A step that began after the checkpoint was done must not be in it.
    marks.push(Mark::new(What::Begun, 0, 2));
    assert_eq!(findings(&history.judge_checkpoints(&marks, &[seen(3)])), [Finding::Torn]);
    // A step that failed before the checkpoint began may be missing from it.
    let failed = [&unfinished[..5], &[Mark::new(What::Begun, 0, 2), Mark::new(What::Failed, 0, 2)]].concat();
    let failed = [&failed[..], &[Mark::new(What::Begun, 1, 0), Mark::new(What::Acknowledged, 1, 0)]].concat();
    assert_eq!(history.judge_checkpoints(&failed, &[seen(2)]), []);
    assert_eq!(history.judge_checkpoints(&failed, &[seen(3)]), []);
}

#[test]
fn a_failed_commit_may_be_missing_while_later_commits_of_others_are_there() {
    let script = script(2, 2);
    let history = History::new(script.clone());
    let mark = Mark::new;
    let marks = [
        mark(What::Begun, 0, 0),
        mark(What::Failed, 0, 0),
        mark(What::Begun, 1, 0),
        mark(What::Acknowledged, 1, 0),
    ];
    assert_eq!(history.judge(&marks, &state(&script, &[0, 1])), []);
    assert_eq!(history.judge(&marks, &state(&script, &[1, 1])), []);
}
