//! Options that RocksDB itself parses, and which of them are refused.
//!
//! RocksDB has some two hundred options and parses each from text. Those that would break a guarantee of this
//! layer are refused explicitly, with the reason; all others are the caller's responsibility.

use rocksdb::Options;
use strongroom_core::{Error, ErrorKind, Result};

/// The refused options, with the reason. They are also refused inside braces.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["create_if_missing", "create_missing_column_families", "error_if_exists"],
        "the common option `create` says whether files are created",
    ),
    (&["env", "wal_dir", "db_log_dir", "db_paths", "cf_paths"], "a store is a single directory"),
    (
        &["comparator", "merge_operator", "compaction_filter", "compaction_filter_factory"],
        "keys are in bytewise order, and rows are stored as written",
    ),
    (
        &[
            "paranoid_checks",
            "wal_recovery_mode",
            "best_efforts_recovery",
            "track_and_verify_wals_in_manifest",
            "verify_sst_unique_id_in_manifest",
            "force_consistency_checks",
            "flush_verify_memtable_count",
            "compaction_verify_record_count",
            "open_files_async",
            "fast_sst_open",
            "wal_filter",
            "checksum",
        ],
        "damage that RocksDB can detect is never ignored",
    ),
    (
        &[
            "info_log",
            "info_log_level",
            "keep_log_file_num",
            "log_file_time_to_roll",
            "max_log_file_size",
            "recycle_log_file_num",
        ],
        "the adapter writes the report, since RocksDB crashes when it cannot begin a new one",
    ),
    (&["manual_wal_flush"], "a buffered commit has to survive the end of the process"),
    (
        &["unordered_write", "two_write_queues", "allow_2pc", "inplace_update_support"],
        "a reader could see half a batch or a changing snapshot",
    ),
    (
        &["allow_mmap_reads", "allow_mmap_writes"],
        "a truncated file would end the process instead of returning an error",
    ),
    (
        &["enable_blob_direct_write", "blob_direct_write_partitions", "blob_direct_write_partition_strategy"],
        "RocksDB cannot recover data from its log that went directly to a blob file",
    ),
    (&["allow_data_in_errors"], "errors never contain keys"),
    (
        &["block_cache", "no_block_cache", "block_cache_compressed", "row_cache"],
        "all keyspaces share one cache, sized by the common option `cache_bytes`",
    ),
    (
        &["table_factory", "plain_table_factory"],
        "tables are block based: use block_based_table_factory={...}",
    ),
    (
        &[
            "compression_manager",
            "file_checksum_gen_factory",
            "flush_block_policy_factory",
            "memtable",
            "memtable_factory",
            "secondary_cache",
            "sst_partitioner_factory",
            "user_defined_index_factory",
        ],
        "RocksDB silently ignores values that it was not built with",
    ),
    (&["filter_policy"], "use bloom_bits"),
    (&["prefix_extractor"], "use prefix_bytes, which scans take into account"),
    (&["compression"], "use the common option `compression`, or compression_per_level"),
    (&["bottommost_compression"], "use compression_per_level"),
    (
        &["max_background_jobs", "max_background_compactions", "max_background_flushes"],
        "use the common option `background_threads`",
    ),
];

/// Options that RocksDB still parses but ignores: the entries with `kDeprecated` in its `db_options.cc`,
/// `cf_options.cc` and `block_based_table_factory.cc`.
const WITHOUT_EFFECT: &[&str] = &[
    "access_hint_on_compaction_start",
    "allow_os_buffer",
    "base_background_compactions",
    "bottommost_temperature",
    "check_flush_compaction_key_order",
    "compaction_measure_io_stats",
    "concurrent_prepare",
    "disableDataSync",
    "disable_data_sync",
    "expanded_compaction_factor",
    "experimental_allow_mempurge",
    "experimental_mempurge_policy",
    "experimental_mempurge_threshold",
    "fail_if_options_file_error",
    "filter_deletes",
    "hard_rate_limit",
    "hash_index_allow_collision",
    "ignore_max_compaction_bytes_for_input",
    "index_per_partition",
    "level_compaction_dynamic_file_size",
    "max_grandparent_overlap_factor",
    "max_mem_compaction_level",
    "max_write_buffer_number_to_maintain",
    "memtable_prefix_bloom_bits",
    "memtable_prefix_bloom_huge_page_tlb_size",
    "memtable_prefix_bloom_probes",
    "min_partial_merge_operands",
    "new_table_reader_for_compaction_inputs",
    "preserve_deletes",
    "purge_redundant_kvs_while_flush",
    "random_access_max_buffer_size",
    "rate_limit_delay_max_milliseconds",
    "rate_limiter",
    "reserve_table_builder_memory",
    "reserve_table_reader_memory",
    "seq_per_batch",
    "skip_checking_sst_file_sizes_on_db_open",
    "skip_log_error_on_recovery",
    "skip_table_builder_flush",
    "snap_refresh_nanos",
    "soft_rate_limit",
    "source_compaction_factor",
    "ttl",
    "use_direct_writes",
    "verify_checksums_in_compaction",
];

/// RocksDB ends the process on numbers outside these bounds.
const BOUNDED: [(&str, i64, i64); 3] =
    [("max_file_opening_threads", 1, 256), ("num_levels", 1, 64), ("table_cache_numshardbits", 0, 19)];

/// Refuses options that would break a guarantee, and values that RocksDB would parse as more than one option.
pub(crate) fn check(name: &str, value: &str, own: &[&str]) -> Result<()> {
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_plain {
        return Err(unknown(name, own));
    }
    if !is_one_value(value) {
        return Err(Error::new(ErrorKind::InvalidInput, format!("option {name} cannot be {value:?}"))
            .hint("give one value; nested options go into braces: {name=value;name=value}"));
    }
    if let Some((_, min, max)) = BOUNDED.iter().find(|(bounded, ..)| *bounded == name)
        && !value.parse().is_ok_and(|number| (min..=max).contains(&&number))
    {
        return Err(Error::new(ErrorKind::InvalidInput, format!("option {name} cannot be {value:?}"))
            .hint(format!("use {min} to {max}")));
    }
    for name in std::iter::once(name).chain(names_inside(value)) {
        if WITHOUT_EFFECT.contains(&name) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("option {name} of RocksDB has no effect"),
            )
            .hint("leave it out: RocksDB accepts it only for old options files"));
        }
        if let Some((_, reason)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("option {name} of RocksDB is refused"))
                .hint(*reason));
        }
    }
    Ok(())
}

/// Returns `options` with one more option, as RocksDB parses it.
pub(crate) fn add(options: &mut Options, name: &str, value: &str, own: &[&str]) -> Result<Options> {
    check(name, value, own)?;
    let mut read = |value: &str| options.get_options_from_string(format!("{name}={value}"));
    let error = match read(value) {
        Ok(options) => return Ok(options),
        Err(error) => error,
    };
    // RocksDB reports an unknown name and a braced value with a wrong part in the same way.
    let is_strange = |error: &rocksdb::Error| error.as_ref().contains("not recognized");
    if is_strange(&error) && (!value.starts_with('{') || read("{}").is_err_and(|error| is_strange(&error))) {
        return Err(unknown(name, own));
    }
    let parts = value.trim_matches(['{', '}']).split(';');
    let wrong =
        parts.into_iter().find(|part| value.starts_with('{') && read(&format!("{{{part}}}")).is_err());
    let message = format!("RocksDB refuses option {name} with {:?}", wrong.unwrap_or(value));
    Err(Error::new(ErrorKind::InvalidInput, message)
        .hint("see the option in RocksDB's include/rocksdb/options.h or table.h")
        .caused_by(error))
}

fn unknown(name: &str, own: &[&str]) -> Error {
    let known = own.join(", ");
    Error::new(ErrorKind::InvalidInput, format!("there is no engine option {name:?}")).hint(format!(
        "known options: {known}; and RocksDB's own, listed in the file rocksdb/OPTIONS-* of any store"
    ))
}

/// Returns whether braces match and no other option begins after the value.
fn is_one_value(value: &str) -> bool {
    let mut depth = 0_u32;
    for character in value.chars() {
        match character {
            '{' => depth += 1,
            '}' | ';' if depth == 0 => return false,
            '}' => depth -= 1,
            character if character.is_control() => return false,
            _ => {}
        }
    }
    depth == 0 && !value.trim().is_empty()
}

/// Returns the names of options inside braces. A dot separates the name of an option from that of its part.
fn names_inside(value: &str) -> impl Iterator<Item = &str> {
    let parts = value.split(['{', '}', ';']).filter_map(|part| part.split_once('='));
    parts.flat_map(|(name, _)| name.split('.').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<()> {
        super::check(name, value, &["write_buffer_size"])
    }

    fn add(options: &mut Options, name: &str, value: &str) -> Result<Options> {
        super::add(options, name, value, &["write_buffer_size"])
    }

    #[test]
    fn refused_options_are_also_refused_inside_braces() {
        for (names, _) in REFUSED {
            for name in *names {
                assert!(check(name, "1").is_err(), "{name}");
                for nested in
                    [format!("{{{name}=1}}"), format!("{{a=1; {name} =1}}"), format!("{{a={{{name}=1}}}}")]
                {
                    assert!(check("block_based_table_factory", &nested).is_err(), "{nested}");
                }
                assert!(check("block_based_table_factory", &format!("{{x.{name}=1}}")).is_err());
            }
        }
        check("block_based_table_factory", "{block_size=8192;format_version=6}").unwrap();
    }

    #[test]
    fn options_without_effect_are_refused() {
        for name in WITHOUT_EFFECT {
            let error = add(&mut Options::default(), name, "1").err().unwrap();
            assert!(error.message().contains("no effect"), "{error}");
        }
    }

    #[test]
    fn one_option_cannot_carry_another() {
        for value in ["1;paranoid_checks=false", "1}", "{1", "}{", "", " ", "1\0", "1\n2"] {
            assert!(check("max_open_files", value).is_err(), "{value:?}");
        }
        for name in ["", "a=b;c", "a.b", "a b", "{a"] {
            assert!(check(name, "1").is_err(), "{name:?}");
        }
    }

    #[test]
    fn rocksdb_parses_the_rest_and_reports_what_it_cannot() {
        let mut options = Options::default();
        for (name, value) in [
            ("max_open_files", "99"),
            ("level0_file_num_compaction_trigger", "7"),
            ("block_based_table_factory", "{block_size=8192}"),
            ("WAL_ttl_seconds", "5"),
            ("compression_opts", "{level=3}"),
        ] {
            options = add(&mut options, name, value).unwrap();
        }
        let refused = |name: &str, value: &str| add(&mut Options::default(), name, value).err().unwrap();
        let unknown = refused("no_such_option", "1");
        assert_eq!(unknown.message(), "there is no engine option \"no_such_option\"", "{}", unknown.story());
        assert!(unknown.message().contains("no_such_option"), "{unknown}");
        assert!(unknown.way_out().contains("write_buffer_size"), "{unknown}");
        let parts = refused("compaction_options_universal", "{no_such_part=1}");
        assert!(parts.message().ends_with("\"no_such_part=1\""), "{parts}");
        for (name, value) in
            [("num_levels", "-1"), ("num_levels", "many"), ("table_cache_numshardbits", "99")]
        {
            assert!(refused(name, value).message().contains(name));
        }
        for inner in ["{no_such_part=1}", "{block_size=8192;no_such_part=1;format_version=6}"] {
            let inner = refused("block_based_table_factory", inner);
            assert!(inner.message().ends_with("\"no_such_part=1\""), "{inner}");
        }
        assert!(refused("no_such_option", "{a=1}").message().starts_with("there is no engine option"));
        let unreadable = refused("max_open_files", "many");
        assert!(unreadable.message().contains("max_open_files"), "{unreadable}");
    }
}
