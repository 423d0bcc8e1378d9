//! A CSV or TSV that is loaded.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz::load_table(bytes));
