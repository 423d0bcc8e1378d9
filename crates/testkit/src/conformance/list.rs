//! The only list of cases, with group, name, property and need of each.

use super::case::{Case, Need};

/// Calls a macro with the list of cases. Not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_conformance_case {
    ($then:ident) => {
        $crate::$then! {
            reading::a_value_comes_back_until_it_is_replaced(4);
            reading::an_empty_value_is_not_an_absent_one(4);
            reading::a_delete_leaves_nothing_behind(4);
            reading::deleting_an_absent_key_is_no_error(4);
            reading::the_same_key_in_two_keyspaces_is_two_rows(4);
            reading::keys_and_values_may_contain_any_byte(4);
            reading::large_values_come_back_whole(4);
            reading::many_small_rows_come_back(4);
            reading::a_held_value_outlives_its_overwrite_and_its_delete(3);
            reading::a_held_value_outlives_snapshot_and_handle(3);
            limits::an_empty_key_is_refused_everywhere(4);
            limits::a_key_beyond_the_limit_is_refused(4);
            limits::a_value_beyond_the_limit_is_refused(4);
            limits::the_limits_can_be_reached(4);
            limits::a_refused_batch_changes_nothing_and_the_store_reopens(4, Persistent);
            scanning::order_is_bytewise(4);
            scanning::a_prefix_scan_loses_no_key(5);
            scanning::ranges_are_half_open(5);
            scanning::empty_and_inverted_ranges_hold_nothing(5);
            scanning::reverse_gives_the_same_rows_backwards(5);
            scanning::a_paged_scan_skips_nothing(5);
            scanning::a_scan_of_many_rows_sees_each_once(5);
            scanning::a_cursor_at_its_end_stays_there(5);
            scanning::a_cursor_on_no_row_lends_nothing(5);
            scanning::keys_only_gives_keys_and_no_values(5);
            scanning::a_scan_of_nothing_ends_at_once(5);
            scanning::large_rows_are_lent_one_after_another(5);
            visiting::a_visit_passes_the_same_rows_as_a_cursor(5);
            visiting::a_stopped_visit_can_be_resumed(5);
            visiting::a_visitor_that_panics_breaks_nothing(11);
            visiting::a_visit_over_a_dropped_keyspace_is_refused(7);
            seeking::a_seek_stands_before_the_first_row_at_or_after(5);
            seeking::a_seek_in_reverse_stands_before_the_last_row_at_or_before(5);
            seeking::a_seek_stays_within_the_range(5);
            seeking::a_seek_works_backwards_and_after_the_end(5);
            seeking::a_seek_to_an_empty_key_is_refused_and_moves_nothing(5);
            seeking::a_seek_over_many_rows_lands_where_it_should(5);
            batches::later_operations_of_a_batch_win(6);
            batches::a_batch_spans_keyspaces(6);
            batches::every_condition_is_checked(6);
            batches::conditions_tell_empty_from_absent(6);
            batches::conditions_in_several_keyspaces_all_count(6);
            batches::a_conflict_leaves_every_keyspace_untouched(6);
            batches::conditions_see_the_state_before_the_batch(6);
            batches::conditions_without_operations_are_checked(6);
            batches::an_empty_batch_commits(6);
            batches::a_foreign_keyspace_is_refused_and_nothing_written(6);
            batches::a_batch_of_many_operations_is_whole(6);
            tokens::a_token_commits_once(6);
            tokens::a_conflict_does_not_use_a_token_up(6);
            tokens::a_forgotten_token_can_be_used_again(6);
            tokens::tokens_are_kept_apart_from_rows(6);
            tokens::a_token_survives_a_reopen(6, Persistent);
            delete_range::a_deleted_range_is_counted_and_removed(6);
            delete_range::a_deleted_range_is_half_open_and_spares_its_neighbours(6);
            delete_range::a_deleted_prefix_may_end_in_ff(6);
            delete_range::an_empty_range_deletes_nothing(6);
            delete_range::a_range_of_many_keys_is_deleted_whole(6);
            snapshots::a_snapshot_sees_no_later_write(7);
            snapshots::a_snapshot_is_consistent_across_keyspaces(7);
            snapshots::snapshots_of_several_ages_each_see_their_own(7);
            snapshots::a_cursor_keeps_its_snapshot_alive(7);
            snapshots::a_cursor_sees_no_write_that_happens_while_it_walks(7);
            snapshots::a_snapshot_does_not_see_a_deleted_range(7);
            snapshots::a_later_keyspace_is_empty_in_a_snapshot(7);
            snapshots::a_dropped_keyspace_is_not_found_in_a_snapshot(7);
            snapshots::a_snapshot_outlives_its_handle(7);
            snapshots::a_snapshot_blocks_no_writer(7);
            snapshots::a_snapshot_is_shared_by_threads(7);
            keyspaces::keyspaces_are_created_found_and_listed(4);
            keyspaces::names_that_are_not_portable_are_refused(4);
            keyspaces::every_portable_name_works(4);
            keyspaces::names_differ_by_case(4);
            keyspaces::a_hundred_keyspaces_are_kept_apart(4);
            keyspaces::a_dropped_keyspace_is_not_found(4);
            keyspaces::a_recreated_keyspace_is_empty_and_has_a_new_id(4);
            keyspaces::a_foreign_id_is_not_found(4);
            keyspaces::hints_change_no_result(4);
            keyspaces::keyspaces_created_at_once_by_many_threads_are_one(4);
            many_keyspaces::packed_and_dedicated_keyspaces_coexist(9);
            many_keyspaces::hints_are_kept(9, Persistent);
            many_keyspaces::thousands_of_keyspaces_work(9);
            many_keyspaces::churn_leaves_a_bounded_amount(9);
            many_keyspaces::later_commits_finish_a_large_drop(4, Persistent);
            many_keyspaces::a_failed_drop_is_complete_or_has_no_effect(6, Faults);
            durability::power_safe_is_claimed_or_refused(8);
            durability::a_reopened_store_has_everything(8, Persistent);
            durability::a_flushed_buffered_commit_is_there_after_a_reopen(8, Persistent);
            durability::a_power_safe_commit_keeps_the_earlier_ones(8, PowerSafe);
            durability::deletes_and_drops_survive_a_reopen(8, Persistent);
            durability::a_store_can_be_reopened_again_and_again(8, Persistent);
            durability::a_second_handle_is_refused_as_locked(8, Persistent);
            operations::the_engine_describes_itself(9);
            operations::statistics_count_commits(9);
            operations::snapshots_and_pinned_values_return_to_zero(9);
            operations::a_flush_can_be_asked_for_at_any_time(9);
            operations::a_checkpoint_is_one_consistent_state(9, Checkpoint);
            operations::a_checkpoint_is_consistent_under_concurrent_writes(9, Checkpoint);
            operations::a_checkpoint_refuses_an_occupied_directory(9, Checkpoint);
            operations::compaction_and_verification_change_no_row(9);
            operations::declared_operations_work_and_others_are_unsupported(10);
            operations::errors_say_engine_and_operation_and_no_secret(11);
            faults::an_error_under_a_cursor_is_never_the_end(5, Faults);
            faults::an_error_under_a_visit_is_never_the_end(5, Faults);
            faults::a_failed_cursor_keeps_failing(5, Faults);
            faults::a_failed_commit_is_unknown_and_poisons_the_handle(8, Faults);
            faults::a_failed_flush_poisons_the_handle(8, Faults);
            faults::a_panicking_engine_is_caught_and_poisons_the_handle(11, Faults);
            faults::an_engine_that_panics_while_it_writes_leaves_the_commit_unknown(11, Faults);
            faults::no_fault_beneath_a_history_is_swallowed(11, Faults);
            concurrency::concurrent_increments_lose_no_update(6);
            concurrency::concurrent_batches_are_seen_whole(6);
            concurrency::concurrent_commits_with_one_token_happen_once(6);
            concurrency::many_threads_write_and_read(2);
            freshness::no_get_is_older_than_an_acknowledged_commit(2);
            histories::random_histories_agree_with_a_model(4);
            histories::random_histories_survive_reopening(8, Persistent);
            histories::the_pinned_history_ends_in_the_pinned_digest(4);
        }
    };
}

/// Creates the list of cases. Not for direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ($($group:ident :: $name:ident ($property:literal $(, $need:ident)?);)*) => {
        pub(super) const CASES: &[Case] = &[
            $(Case {
                name: stringify!($name),
                property: $property,
                needs: [$(Some(Need::$need),)? None][0],
                run: super::$group::$name,
            },)*
        ];
    };
}

crate::__each_conformance_case! { __conformance_list }
