//! Fuzzes the envelope around a stored value.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::envelope(bytes));
