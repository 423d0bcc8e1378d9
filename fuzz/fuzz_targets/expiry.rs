//! Fuzzes the store's rows about expiry.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::expiry(bytes));
