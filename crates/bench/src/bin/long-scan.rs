//! Scans many rows in each layer, to show that memory stays flat and that the layers allocate nothing per row.
//!
//! It also serves to count instructions layer by layer (divide the figure by the number of rows):
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*RawLayer*scan*' long-scan --rows 100000 --engine redb --layer raw
//! ```
//!
//! Use `BackendLayer` and `StoreLayer` for the other layers, and `*visit*` with `--by-visitor`.

#![allow(clippy::unwrap_used)] // A benchmark that fails should stop.
#![allow(clippy::cast_precision_loss)] // Figures are printed with a few digits.

use clap::Parser;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom_bench::layers::{LAYERS, engines, fill};
use strongroom_bench::measure::anonymous_bytes;

const CACHE_BYTES: u64 = 64 << 20;

#[derive(Parser)]
#[command(about = "Memory and allocations of a scan over many rows")]
struct Arguments {
    /// Engines to measure; by default all of this build
    #[arg(long)]
    engine: Vec<String>,
    /// Layers to measure: raw, backend, store; by default all
    #[arg(long)]
    layer: Vec<String>,
    /// Rows in each database
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Hand the rows to a visitor
    #[arg(long)]
    by_visitor: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let wanted = |names: &[String], name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    println!("{} rows of 116 bytes, all of them read; cache of 64 MiB\n", arguments.rows);
    println!("| engine | layer | seconds | anonymous MiB before | at the most | grown | allocations a row |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for (engine, open) in engines().into_iter().filter(|(engine, _)| wanted(&arguments.engine, engine)) {
        for (place, layer) in
            LAYERS.into_iter().enumerate().filter(|(_, layer)| wanted(&arguments.layer, layer))
        {
            let directory = tempfile::tempdir().unwrap();
            let opened = || open(engine, directory.path(), CACHE_BYTES, place);
            fill(&*opened(), arguments.rows, 10_000, 100, rising_key);
            // Reopened, so that memory left over from the load is not counted.
            let opened = opened();
            let before = anonymous_bytes();
            let start = Instant::now();
            let mut read = (0, 0);
            let (allocations, most) = while_watched(|| {
                allocation_counter::measure(|| {
                    read = if arguments.by_visitor { opened.visit() } else { opened.scan() };
                })
            });
            let seconds = start.elapsed().as_secs_f64();
            let (rows, bytes) = black_box(read);
            assert_eq!((rows, bytes), (arguments.rows, arguments.rows * 116), "{engine}: the scan lost rows");
            let mib = |bytes: Option<u64>| bytes.map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20));
            println!(
                "| {engine} | {layer} | {seconds:.1} | {:.0} | {:.0} | {:.0} | {:.4} |",
                mib(before),
                mib(most),
                mib(most) - mib(before),
                allocations.count_total as f64 / rows as f64
            );
        }
    }
}

/// Does the work while another thread samples the anonymous memory of the process; also returns the peak.
fn while_watched<T>(work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = anonymous_bytes();
            while !is_done.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
                most = most.max(anonymous_bytes());
            }
            most
        });
        let done = work();
        is_done.store(true, Ordering::Release);
        (done, watch.join().unwrap_or_default())
    })
}

/// Keys in ascending order: loading ten million rows in random order is another benchmark.
fn rising_key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}
