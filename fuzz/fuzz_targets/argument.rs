//! An argument of the command that stands for bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz::argument_text(bytes));
