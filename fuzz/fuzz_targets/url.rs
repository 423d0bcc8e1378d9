//! Fuzzes the parser of store URLs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom::fuzz::url(bytes));
