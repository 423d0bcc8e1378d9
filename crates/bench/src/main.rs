//! What the layer costs over the raw engines, side by side in one run, and what it promises about time and
//! memory. Every performance figure in the docs comes from one of these commands.
//!
//! ```text
//! cargo run --release -p strongroom-bench -- cost         raw engine, backend and store; ratios
//! cargo run --release -p strongroom-bench -- snapshots    opening a snapshot over a million keys
//! cargo run --release -p strongroom-bench -- long-scan    memory and allocations over ten million rows
//! cargo run --release -p strongroom-bench -- shapes       shapes of reads and cursors (ADR 0002)
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A benchmark that fails should stop.
#![allow(clippy::cast_precision_loss)] // Figures are printed with a few digits.

mod cost;
mod long_scan;
mod measure;
mod raw;
mod shapes;
mod snapshots;
mod workload;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What the layer costs over the raw engines, side by side in one run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get, scan and batch load: raw engine, backend and store in turn, medians and ratios
    Cost(cost::Arguments),
    /// How long a snapshot takes to open, with and without a writer at work
    Snapshots(snapshots::Arguments),
    /// Memory and allocations of a scan over many rows
    LongScan(long_scan::Arguments),
    /// Shapes of a read and of a cursor, as weighed in ADR 0002
    Shapes(shapes::Arguments),
}

fn main() {
    match Arguments::parse().command {
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Snapshots(arguments) => snapshots::run(&arguments),
        Command::LongScan(arguments) => long_scan::run(&arguments),
        Command::Shapes(arguments) => shapes::run(&arguments),
    }
}
