//! Fuzzes the parser of sizes in bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom::fuzz::size(bytes));
