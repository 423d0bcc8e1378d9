//! Fuzzes the loading of JSON Lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz::load_json_lines(bytes));
