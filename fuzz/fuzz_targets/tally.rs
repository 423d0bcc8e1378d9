//! Fuzzes the tally of a keyspace: its row count and multiset hash.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::tally(bytes));
