//! The store's rows about what expires.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::expiry(bytes));
