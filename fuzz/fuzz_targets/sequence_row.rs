//! Fuzzes the store's row of reserved sequence numbers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::sequence_row(bytes));
