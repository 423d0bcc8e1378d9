//! The command line.

use crate::name::Section;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Test what a store keeps across power cuts, kills, I/O errors and damaged files
///
/// Power cuts and I/O errors need Linux, root, /dev/fuse and loop devices. Where these are missing, the sections are
/// SKIPPED and counted as such in the summary.
#[derive(Debug, Parser)]
#[command(
    name = "strongroom-powercut",
    version,
    max_term_width = 100,
    after_help = "\
Exit status:
  0    every subject kept its promise
  1    a subject lost or corrupted data or missed damage, or a negative control lost nothing
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
    /// Run all subjects in all sections, and print or write a report
    #[command(after_help = "\
Examples:
  strongroom-powercut matrix --short
  strongroom-powercut matrix --only redb/store --section power
  strongroom-powercut matrix --results target/durability.json --report docs/DURABILITY.md")]
    Matrix(Matrix),
    /// Repeat one trial, by its name in a report
    ///
    /// The background threads of an engine behave differently each time, so a rare finding may need several runs.
    Replay(Replay),
    /// Print the report of collected results as Markdown
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
    /// Run a few minutes for all subjects, instead of the full published run
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
    /// Seed of all random choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Time limit in seconds for a process that inspects a store
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) time_limit: u64,
    /// Add to the results in this JSON file, for a run in parts
    #[arg(long, value_name = "FILE")]
    pub(super) results: Option<PathBuf>,
    /// Write the report to this file as Markdown
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Name of the trial, such as power:redb/store:ext4:batches:1:torn:4
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// Time limit in seconds for a process that inspects a store
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) time_limit: u64,
    /// Number of runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) times: u64,
}
