//! Fuzzes the parser of command line arguments that represent bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz::argument_text(bytes));
