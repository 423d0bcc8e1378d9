//! The command's parsers for the fuzzer: `crates/cli` is no library, so those of its modules that parse are
//! compiled here once more, and what they need.
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

/// An argument that stands for bytes.
pub fn argument_text(bytes: &[u8]) {
    fuzz::argument_text(bytes);
}

/// A CSV or TSV to load.
pub fn load_table(bytes: &[u8]) {
    fuzz::load_table(bytes);
}

/// JSON Lines to load.
pub fn load_json_lines(bytes: &[u8]) {
    fuzz::load_json_lines(bytes);
}
