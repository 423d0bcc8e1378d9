//! Fuzzes the file of a store's high-water mark.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_store::fuzz::high_water(bytes));
