//! Fuzzes the marker file of a store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::marker(bytes));
