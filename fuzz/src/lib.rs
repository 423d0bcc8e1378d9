//! The parsers of the command line tool for the fuzzer. `crates/cli` is not a library, so its parsing modules and
//! their dependencies are compiled here again.
#![allow(dead_code, reason = "the command uses more of these modules")]

#[path = "../../crates/cli/src/exit.rs"]
mod exit;
#[path = "../../crates/cli/src/fuzz.rs"]
mod fuzz;
#[path = "../../crates/cli/src/interrupt.rs"]
mod interrupt;
#[path = "../../crates/cli/src/load"]
mod load {
    pub(crate) mod fuzz;
    mod input;
    mod json_lines;
    mod lines;
    mod quotes;
    mod source;
    mod tables;
}
#[path = "../../crates/cli/src/message.rs"]
mod message;
#[path = "../../crates/cli/src/panics.rs"]
mod panics;
#[path = "../../crates/cli/src/text.rs"]
mod text;

/// Fuzzes an argument that represents bytes.
pub fn argument_text(bytes: &[u8]) {
    fuzz::argument_text(bytes);
}

/// Fuzzes the loading of CSV and TSV.
pub fn load_table(bytes: &[u8]) {
    fuzz::load_table(bytes);
}

/// Fuzzes the loading of JSON Lines.
pub fn load_json_lines(bytes: &[u8]) {
    fuzz::load_json_lines(bytes);
}
