//! The command line.

use crate::name::Section;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Cut the power, kill, fail and damage, and see what is left.
///
/// Power cuts and I/O errors need Linux, root, /dev/fuse and loop devices; where they are missing the sections are
/// SKIPPED, and the summary counts that.
#[derive(Debug, Parser)]
#[command(
    name = "strongroom-powercut",
    version,
    max_term_width = 100,
    after_help = "\
Exit status:
  0    all is as it has to be
  1    something was lost, wrong or unnoticed that must not be, or a negative control lost nothing
  2    wrong usage
  3    the harness itself failed
  130  stopped by Ctrl-C or SIGTERM"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Try all subjects in all sections, and print or write a report
    #[command(after_help = "\
Examples:
  strongroom-powercut matrix --short
  strongroom-powercut matrix --only redb/store --section power
  strongroom-powercut matrix --results target/durability.json --report docs/DURABILITY.md")]
    Matrix(Matrix),
    /// Make one trial again, by the name that a report gives
    ///
    /// What the threads of an engine do in the background is not the same each time, so that a rare finding may take
    /// several turns.
    Replay(Replay),
    /// Print the report of results that a run in parts has put together, as Markdown
    #[command(after_help = "\
Examples:
  strongroom-powercut matrix --only redb/store --results durability.json
  strongroom-powercut matrix --only redb --results durability.json
  strongroom-powercut report durability.json > docs/DURABILITY.md")]
    Report(Report),
    /// List the subjects
    Subjects,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The file of results
    #[arg(value_name = "FILE")]
    pub(super) results: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Matrix {
    /// Only these subjects
    #[arg(long, value_name = "SUBJECT", num_args = 1..)]
    pub(super) only: Vec<String>,
    /// Only these sections: kill, power, fault, damage
    #[arg(long, value_name = "SECTION", num_args = 1..)]
    pub(super) section: Vec<Section>,
    /// A few minutes for all subjects, in place of the published run
    #[arg(long)]
    pub(super) short: bool,
    /// Crash images for each subject
    #[arg(long, value_name = "N")]
    pub(super) images: Option<usize>,
    /// Killed processes for each subject
    #[arg(long, value_name = "N")]
    pub(super) kills: Option<usize>,
    /// I/O errors for each subject
    #[arg(long, value_name = "N")]
    pub(super) faults: Option<usize>,
    /// Damaged files for each subject
    #[arg(long, value_name = "N")]
    pub(super) damages: Option<usize>,
    /// What everything that looks random is made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// How long a process that looks at a store may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) time_limit: u64,
    /// Take up the results in this file, and put all there as JSON: a run in parts
    #[arg(long, value_name = "FILE")]
    pub(super) results: Option<PathBuf>,
    /// Write the report there, as Markdown
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The trial, such as power:redb/store:ext4:batches:1:torn:4
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// How long a process that looks at a store may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) time_limit: u64,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) times: u64,
}
