//! A scan over many rows: its memory stays flat, and the layer allocates nothing for a row.

#![allow(clippy::unwrap_used)] // A benchmark that fails should stop.
#![allow(clippy::cast_precision_loss)] // Figures are printed with a few digits.

use clap::Parser;
use std::hint::black_box;
use std::time::Instant;
use strongroom::Scan;
use strongroom_bench::measure::anonymous_bytes;
use strongroom_bench::snapshots::{engines, filled, open};

#[derive(Parser)]
#[command(about = "Memory and allocations of a scan over many rows")]
struct Arguments {
    /// Engines to measure; all that keep files if none is named
    #[arg(long)]
    engine: Vec<String>,
    /// Rows in the store
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
}

fn main() {
    let arguments = Arguments::parse();
    println!("{} rows of 116 bytes, cache of 64 MiB\n", arguments.rows);
    println!("| engine | rows | seconds | anonymous MiB before | at the most | grown | allocations a row |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for engine in engines(&arguments.engine).into_iter().filter(|engine| engine != "memory") {
        let directory = tempfile::tempdir().unwrap();
        // Opened anew, so that what loading left behind is not counted.
        drop(filled(&engine, directory.path(), arguments.rows, rising_key));
        let store = open(&engine, &directory.path().join("store"));
        let keyspace = store.keyspace("bench").unwrap();

        let before = anonymous_bytes();
        let mut most = before;
        let mut count = 0;
        let start = Instant::now();
        let allocations = allocation_counter::measure(|| {
            let mut rows = keyspace.scan(Scan::all()).unwrap();
            while rows.advance().unwrap() {
                black_box((rows.key(), rows.value()));
                count += 1;
                if count % 100_000 == 0 {
                    most = most.max(anonymous_bytes());
                }
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(count, arguments.rows, "{engine}: the scan lost rows");
        let mib = |bytes: Option<u64>| bytes.map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20));
        println!(
            "| {engine} | {count} | {seconds:.1} | {:.0} | {:.0} | {:.0} | {:.4} |",
            mib(before),
            mib(most),
            mib(most) - mib(before),
            allocations.count_total as f64 / count as f64
        );
    }
}

/// Keys in the order of their numbers: a load in random order of ten million rows is another benchmark.
fn rising_key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}
