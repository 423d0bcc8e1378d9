//! The command line of the benchmarks; see the library.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
#[cfg(all(feature = "storage-redb", feature = "storage-sled"))]
use strongroom_bench::shapes;
use strongroom_bench::{batch_memory, builds, cost, footprint, group, keyspaces, placement, snapshots};

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
    /// Power-safe single writes by many threads: raw engine and store in turn
    Group(group::Arguments),
    /// How long a snapshot takes to open, with and without a writer at work
    Snapshots(snapshots::Arguments),
    /// Anonymous memory of a load, engine by engine
    Footprint(footprint::Arguments),
    /// Anonymous memory of one large batch, engine by engine
    Batch(batch_memory::Arguments),
    /// Ten thousand keyspaces, and keyspaces that come and go: raw engine and store
    Keyspaces(keyspaces::Arguments),
    /// One operation in a keyspace with a table of its own or a shared one, to count its instructions
    Placement(placement::Arguments),
    #[cfg(all(feature = "storage-redb", feature = "storage-sled"))]
    /// Shapes of a read and of a cursor, as weighed in ADR 0002
    Shapes(shapes::Arguments),
    /// What an engine costs to build: seconds, crates, native code, size, licences, advisories
    Builds(builds::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Cost(arguments) => cost::run(&arguments),
        Command::Group(arguments) => return group::run(&arguments),
        Command::Snapshots(arguments) => snapshots::run(&arguments),
        Command::Footprint(arguments) => footprint::run(&arguments),
        Command::Batch(arguments) => batch_memory::run(&arguments),
        Command::Keyspaces(arguments) => keyspaces::run(&arguments),
        Command::Placement(arguments) => placement::run(&arguments),
        #[cfg(all(feature = "storage-redb", feature = "storage-sled"))]
        Command::Shapes(arguments) => shapes::run(&arguments),
        Command::Builds(arguments) => builds::run(&arguments),
    }
    ExitCode::SUCCESS
}
