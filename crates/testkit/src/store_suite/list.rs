//! The only list of cases, with group, name, feature and need of each.

use super::case::{Feature, StoreCase};
use crate::conformance::Need;

/// Calls a macro with the list of cases. Not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_store_case {
    ($then:ident) => {
        $crate::$then! {
            reading::a_snapshot_shows_one_state_of_all_keyspaces(Snapshots);
            reading::later_writes_do_not_change_a_snapshot(Snapshots);
            reading::a_reverse_scan_gives_the_same_rows_backwards(ReverseScans);
            reading::a_reverse_scan_stays_in_its_prefix(ReverseScans);
            commits::a_batch_is_committed_completely_or_not_at_all(ConditionalBatches);
            commits::every_condition_is_checked_inside_the_commit(ConditionalBatches);
            commits::conditions_on_a_dropped_keyspace_are_refused(ConditionalBatches);
            commits::concurrent_commits_share_syncs(GroupCommit, PowerSafe);
            commits::a_refused_commit_does_not_fail_its_neighbours(GroupCommit);
            commits::every_acknowledged_commit_is_there_after_reopening(GroupCommit, Persistent);
            commits::sequence_numbers_rise_and_are_the_versions(GroupCommit);
            atomics::a_swap_by_value_succeeds_or_returns_the_current_row(CompareAndSwap);
            atomics::a_swap_by_version_detects_a_value_that_was_changed_and_restored(CompareAndSwap);
            atomics::one_of_many_insertions_wins(CompareAndSwap);
            atomics::concurrent_updates_lose_none(CompareAndSwap);
            atomics::concurrent_increments_add_up(Counters);
            atomics::a_value_that_is_not_a_counter_is_refused_and_kept(Counters);
            atomics::generated_numbers_are_unique(GeneratedIds);
            atomics::generated_numbers_are_not_reused_after_reopening(GeneratedIds, Persistent);
            transactions::a_transaction_reads_its_own_writes_also_in_scans(Transactions);
            transactions::a_transaction_leaves_nothing_unless_it_commits(Transactions);
            transactions::phantoms_are_refused(Transactions);
            transactions::write_skew_is_refused(Transactions);
            transactions::disjoint_transactions_run_at_the_same_time(Transactions);
            transactions::read_only_transactions_never_conflict(Transactions);
            transactions::a_closure_is_retried_after_a_conflict(Transactions);
            transactions::nested_transactions_are_refused(Transactions);
            transactions::transactions_survive_reopening_whole(Transactions, Persistent);
            isolated::no_known_anomaly_occurs(Transactions);
            isolated::a_bank_with_eight_threads_keeps_its_money(Transactions);
            isolated::random_histories_are_strictly_serializable(Transactions);
            watching::the_stream_equals_the_history(Watch);
            watching::changes_of_a_commit_come_together_and_in_order(Watch);
            watching::refused_commits_are_not_reported(Watch);
            watching::a_watcher_that_never_reads_is_bounded(Watch);
            watching::a_watch_ends_with_its_store(Watch);
            expiry::a_row_expires_at_its_instant_for_all_reads(TimeToLive);
            expiry::a_sweep_leaves_no_expired_row_and_loses_no_live_one(TimeToLive);
            expiry::defaults_and_instants_survive_reopening(TimeToLive, Persistent);
            expiry::watchers_distinguish_expiry_from_deletion(TimeToLive);
            expiry::invalid_ttls_are_refused(TimeToLive);
            checks::damaged_values_are_never_returned(Checksums, Persistent);
            checks::a_sound_store_verifies(Checksums);
            checks::a_missing_row_is_detected(MissingData, Persistent);
            operations::a_checkpoint_is_an_independent_store(HotBackup, Checkpoint);
            operations::the_digest_equals_that_of_the_same_rows_in_memory(Digest);
            operations::statistics_count_commits_groups_and_conflicts(Statistics);
        }
    };
}

/// Creates [`CASES`] from the list. Not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_list {
    ($($group:ident :: $name:ident ($feature:ident $(, $need:ident)?);)*) => {
        pub(super) const CASES: &[StoreCase] = &[$(
            StoreCase {
                name: stringify!($name),
                feature: Feature::$feature,
                needs: [$(Some(Need::$need),)? None][0],
                run: super::$group::$name,
            },
        )*];
    };
}

crate::__each_store_case! { __store_list }
