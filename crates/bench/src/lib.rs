//! Measures the cost of the layer over the raw engines, side by side in one run, and checks its bounds on time and
//! memory. Every performance figure in the docs comes from one of these commands.
//!
//! ```text
//! cargo run --release -p strongroom-bench -- cost          raw engine, backend and store; ratios
//! cargo run --release -p strongroom-bench -- snapshots     opening a snapshot over a million keys
//! cargo run --release -p strongroom-bench -- footprint     memory of a load of a million rows
//! cargo run --release -p strongroom-bench -- batch         memory of one large batch
//! cargo run --release -p strongroom-bench -- keyspaces     ten thousand keyspaces, and some that come and go
//! cargo run --release -p strongroom-bench -- placement     one operation many times, to count its instructions
//! cargo run --release -p strongroom-bench -- shapes        shapes of reads and cursors (ADR 0002)
//! cargo run --release -p strongroom-bench -- builds        what each engine costs to build
//! cargo run --release -p strongroom-bench --bin long-scan  memory and allocations over ten million rows
//! ```
//!
//! `long-scan` is a separate program because counting allocations makes every allocation slower.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A benchmark that fails should stop.
#![allow(missing_docs, clippy::missing_panics_doc)] // Not published: module docs and names suffice.
#![allow(clippy::cast_precision_loss)] // Figures are printed with a few digits.

pub mod batch_memory;
pub mod builds;
pub mod cost;
pub mod footprint;
pub mod group;
pub mod keyspaces;
pub mod layers;
pub mod measure;
pub mod placement;
pub mod raw;
#[cfg(all(feature = "storage-redb", feature = "storage-sled"))]
pub mod shapes;
pub mod snapshots;
pub mod workload;
