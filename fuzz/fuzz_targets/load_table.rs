//! Fuzzes the loading of CSV and TSV.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz::load_table(bytes));
