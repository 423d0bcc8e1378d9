//! Measures get, scan and batch load in turn through the raw engine, the backend and the store, in one run.
//!
//! Each layer has its own database with the same rows, written in the same way, with the same cache.
//! All layers read the bytes of every value and row they return. Otherwise only the layer that verifies checksums
//! would pay for bringing them into the cache.
//! Rounds alternate the order of the layers and the figure is the median over rounds, so noise affects all alike.

use crate::layers::{LAYERS, Layer, Open, engines, fill};
use crate::measure::{geometric_mean, median, nanos_each};
use crate::raw::CACHE_BYTES;
use crate::workload::{key, mixed_batches, scatter};
use std::hint::black_box;

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; by default all of this build
    #[arg(long)]
    engine: Vec<String>,
    /// Rows in each database
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Rows of a load
    #[arg(long, default_value_t = 300_000)]
    load_rows: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Gets in a round
    #[arg(long, default_value_t = 200_000)]
    gets: u64,
    /// Operations in a batch
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// Rounds of gets and scans
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Rounds of loads, each into fresh databases
    #[arg(long, default_value_t = 9)]
    load_rounds: usize,
}

/// Raw, backend, store.
type Samples = [Vec<f64>; 3];

/// A least ratio to the raw engine and a most added time in nanoseconds. A figure holds if it meets either.
type Bound = (f64, f64);

/// The operations, in the order of the samples.
const OPERATIONS: [&str; 4] =
    ["get", "scan by visitor, a row", "scan row by row, a row", "batch load, mixed"];

/// The bounds of backend and store for each operation, from "What the layer may cost" in the design.
const BOUNDS: [[Bound; 2]; 4] = [
    [(0.95, 50.0), (0.95, 100.0)],
    [(0.95, 10.0), (0.90, 30.0)],
    [(0.95, 10.0), (0.90, 30.0)],
    [(0.95, 0.0), (0.92, 0.0)],
];
/// The bound of a get through the store where the engine needs a read transaction per get: the store shares one
/// between the gets that fall between two commits.
const GET_WITH_READ_VIEW: Bound = (1.2, f64::NEG_INFINITY);
const WITH_READ_VIEW: [&str; 3] = ["redb", "lmdb", "sqlite"];
const GEOMETRIC_MEAN_MIN: [f64; 2] = [0.97, 1.0];

pub fn run(arguments: &Arguments) {
    let wanted =
        |name: &str| arguments.engine.is_empty() || arguments.engine.iter().any(|engine| engine == name);
    println!(
        "{} rows of {} bytes, {} gets a round, loads of {} rows in batches of {}; medians of {} rounds ({} for loads)\n",
        arguments.rows,
        16 + arguments.value_bytes,
        arguments.gets,
        arguments.load_rows,
        arguments.batch,
        arguments.rounds,
        arguments.load_rounds
    );
    println!(
        "| engine | operation | raw ns | backend ns | ratio | added ns | holds | store ns | ratio | added ns | holds |"
    );
    println!("|---|---|--:|--:|--:|--:|---|--:|--:|--:|---|");
    let mut ratios = [Vec::new(), Vec::new()];
    for (name, open) in engines() {
        if wanted(name) {
            let samples = measure(name, open, arguments);
            report(name, &samples, &mut ratios);
        }
    }
    for (place, layer) in LAYERS[1..].iter().enumerate() {
        let mean = geometric_mean(ratios[place].iter().copied());
        let least = GEOMETRIC_MEAN_MIN[place];
        println!("\ngeometric mean, {layer}: {mean:.3} (at least {least}: {})", verdict(mean >= least));
    }
}

fn report(engine: &str, samples: &[Samples; 4], ratios: &mut [Vec<f64>; 2]) {
    for ((samples, operation), mut bounds) in samples.iter().zip(OPERATIONS).zip(BOUNDS) {
        if operation == OPERATIONS[0] && WITH_READ_VIEW.contains(&engine) {
            bounds[1] = GET_WITH_READ_VIEW;
        }
        let [raw, above @ ..] = [0, 1, 2].map(|layer| median(&samples[layer]));
        print!("| {engine} | {operation} | {raw:.0} |");
        for (place, (nanos, (ratio_min, added_max))) in above.into_iter().zip(bounds).enumerate() {
            let (ratio, added) = (raw / nanos, nanos - raw);
            ratios[place].push(ratio);
            let holds = ratio >= ratio_min || added <= added_max;
            print!(" {nanos:.0} | {ratio:.3} | {added:+.0} | {} |", verdict(holds));
        }
        println!();
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

/// Samples of get, scan and load.
fn measure(engine: &str, open: Open, arguments: &Arguments) -> [Samples; 4] {
    let load = loads(engine, open, arguments);
    let directory = tempfile::tempdir().unwrap();
    let layers = [0, 1, 2].map(|place| open(engine, directory.path(), CACHE_BYTES, place));
    for layer in &layers {
        fill(&**layer, arguments.rows, arguments.batch, arguments.value_bytes, key);
    }
    let mut get = Samples::default();
    let mut visit = Samples::default();
    let mut scan = Samples::default();
    for round in 0..arguments.rounds {
        for turn in 0..3 {
            let place = (round + turn) % 3;
            let layer = &*layers[place];
            get[place].push(nanos_each(arguments.gets, || gets(layer, arguments, round as u64)));
            for (samples, walk) in
                [(&mut visit, visit_of as fn(&dyn Layer) -> (u64, u64)), (&mut scan, scan_of)]
            {
                samples[place].push(nanos_each(arguments.rows, || {
                    let (rows, bytes) = walk(layer);
                    assert_eq!(rows, arguments.rows, "{engine}, {}: a scan lost rows", LAYERS[place]);
                    black_box(bytes);
                }));
            }
        }
    }
    [get, visit, scan, load]
}

fn visit_of(layer: &dyn Layer) -> (u64, u64) {
    layer.visit()
}

fn scan_of(layer: &dyn Layer) -> (u64, u64) {
    layer.scan()
}

fn gets(layer: &dyn Layer, arguments: &Arguments, round: u64) {
    for number in 0..arguments.gets {
        let found = layer.get(&key(scatter(number + round * arguments.gets, arguments.rows)));
        assert_eq!(found, arguments.value_bytes);
    }
}

fn loads(engine: &str, open: Open, arguments: &Arguments) -> Samples {
    let batches = mixed_batches(arguments.load_rows, arguments.batch, arguments.value_bytes);
    let mut samples = Samples::default();
    for round in 0..arguments.load_rounds {
        let directory = tempfile::tempdir().unwrap();
        let layers = [0, 1, 2].map(|place| open(engine, directory.path(), CACHE_BYTES, place));
        for turn in 0..3 {
            let place = (round + turn) % 3;
            let layer = &*layers[place];
            samples[place].push(nanos_each(arguments.load_rows, || {
                for batch in &batches {
                    layer.apply(batch);
                }
            }));
            // Not timed: this is disk time.
            layer.flush();
        }
    }
    samples
}
