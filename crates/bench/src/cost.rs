//! Get, scan and batch load: the raw engine, the backend and the store take turns in one run.
//!
//! Each layer has a database of its own with the same rows, written in the same way, with the same cache.
//! A value that is got is read; otherwise who verifies a checksum would pay for bringing it into the cache.
//! Rounds alternate the order, and the figure is the median over rounds; noise then meets all alike.

use crate::measure::{geometric_mean, median, nanos_each, read};
use crate::raw::{self, CACHE_BYTES, Raw};
use crate::workload::{Op, key, mixed_batches, scatter, value};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use strongroom::core::{KeyspaceId, WriteBatch};
use strongroom::{
    ByteSize, Config, Durability, Keyspace, KeyspaceHints, Options, Registry, Scan, StorageBackend, Store,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; all if none is named
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

/// What one of the three layers offers to the measurement.
trait Layer {
    fn get(&self, key: &[u8]) -> usize;
    /// Row by row.
    fn scan(&self) -> (u64, u64);
    /// By a visitor.
    fn visit(&self) -> (u64, u64);
    fn apply(&self, batch: &[Op]);
    fn flush(&self);
}

struct RawLayer<R>(R);

impl<R: Raw> Layer for RawLayer<R> {
    fn get(&self, key: &[u8]) -> usize {
        self.0.get(key)
    }
    fn scan(&self) -> (u64, u64) {
        self.0.scan()
    }
    fn visit(&self) -> (u64, u64) {
        self.0.scan()
    }
    fn apply(&self, batch: &[Op]) {
        self.0.apply(batch);
    }
    fn flush(&self) {
        self.0.flush();
    }
}

struct BackendLayer {
    backend: Box<dyn StorageBackend>,
    keyspace: KeyspaceId,
}

impl BackendLayer {
    fn open(engine: &str, directory: &Path) -> Self {
        let registry = Registry::builtin();
        let driver = registry.driver(engine).unwrap();
        let mut options = Options::new();
        options.cache_bytes = driver.info().tuning.cache.then_some(CACHE_BYTES);
        let backend = driver.open_backend(directory, &options).unwrap();
        let keyspace = backend.create_keyspace("bench", KeyspaceHints::default()).unwrap();
        Self { backend, keyspace }
    }
}

impl Layer for BackendLayer {
    fn get(&self, key: &[u8]) -> usize {
        self.backend.get(self.keyspace, key).unwrap().map_or(0, |value| read(&value))
    }

    fn scan(&self) -> (u64, u64) {
        let mut cursor = self.backend.snapshot().unwrap().cursor(self.keyspace, Scan::all()).unwrap();
        let (mut rows, mut bytes) = (0, 0);
        while cursor.advance().unwrap() {
            rows += 1;
            let (key, value) = cursor.row();
            bytes += (key.len() + value.len()) as u64;
        }
        (rows, bytes)
    }

    fn visit(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        let mut count = |key: &[u8], value: &[u8]| {
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            ControlFlow::Continue(())
        };
        let mut cursor = self.backend.snapshot().unwrap().cursor(self.keyspace, Scan::all()).unwrap();
        cursor.visit(&mut count).unwrap();
        (rows, bytes)
    }

    fn apply(&self, ops: &[Op]) {
        let mut batch = WriteBatch::with_capacity(ops.len(), ops.len() * 128);
        for op in ops {
            match op {
                Op::Put(key, value) => batch.put(self.keyspace, key, value),
                Op::Delete(key) => batch.delete(self.keyspace, key),
            };
        }
        self.backend.commit(&batch, Durability::Buffered).unwrap();
    }

    fn flush(&self) {
        self.backend.flush().unwrap();
    }
}

struct StoreLayer {
    store: Store,
    keyspace: Keyspace,
}

impl StoreLayer {
    fn open(engine: &str, directory: &Path) -> Self {
        let registry = Registry::builtin();
        let mut config = Config::new(engine, directory).durability(Durability::Buffered);
        config.cache = registry.driver(engine).unwrap().info().tuning.cache.then_some(ByteSize(CACHE_BYTES));
        let store = registry.open_config(&config).unwrap();
        let keyspace = store.create_keyspace("bench").unwrap();
        Self { store, keyspace }
    }
}

impl Layer for StoreLayer {
    fn get(&self, key: &[u8]) -> usize {
        self.keyspace.get(key).unwrap().map_or(0, |value| read(&value))
    }

    fn scan(&self) -> (u64, u64) {
        let mut cursor = self.keyspace.scan(Scan::all()).unwrap();
        let (mut rows, mut bytes) = (0, 0);
        while cursor.advance().unwrap() {
            rows += 1;
            let (key, value) = cursor.row();
            bytes += (key.len() + value.len()) as u64;
        }
        (rows, bytes)
    }

    fn visit(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        let mut count = |key: &[u8], value: &[u8]| {
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            ControlFlow::Continue(())
        };
        self.keyspace.scan(Scan::all()).unwrap().visit(&mut count).unwrap();
        (rows, bytes)
    }

    fn apply(&self, ops: &[Op]) {
        let mut batch = self.store.batch();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.set(&self.keyspace, key, value),
                Op::Delete(key) => batch.delete(&self.keyspace, key),
            };
        }
        self.store.commit(&batch).unwrap();
    }

    fn flush(&self) {
        self.store.flush().unwrap();
    }
}

/// Raw, backend, store.
type Samples = [Vec<f64>; 3];

const LAYERS: [&str; 3] = ["raw", "backend", "store"];
/// Of "What the layer may cost" in the design: a ratio, or an added time in nanoseconds; backend and store.
const BOUNDS: [(&str, [(f64, f64); 2]); 4] = [
    ("get", [(0.95, 50.0), (0.90, 200.0)]),
    ("scan by visitor, a row", [(0.95, 10.0), (0.90, 40.0)]),
    ("scan row by row, a row", [(0.95, 10.0), (0.90, 40.0)]),
    ("batch load, mixed", [(0.95, 0.0), (0.90, 0.0)]),
];
const GEOMETRIC_MEAN_MIN: [f64; 2] = [0.97, 0.92];

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
    for (name, measure) in engines() {
        if wanted(name) {
            let samples = measure(name, arguments);
            report(name, &samples, &mut ratios);
        }
    }
    for (place, layer) in LAYERS[1..].iter().enumerate() {
        let mean = geometric_mean(ratios[place].iter().copied());
        let least = GEOMETRIC_MEAN_MIN[place];
        println!("\ngeometric mean, {layer}: {mean:.3} (at least {least}: {})", verdict(mean >= least));
    }
}

type Measure = fn(&str, &Arguments) -> [Samples; 4];

/// Those of this build, each with its raw counterpart.
fn engines() -> Vec<(&'static str, Measure)> {
    vec![
        #[cfg(feature = "storage-redb")]
        ("redb", measure::<raw::redb::Redb> as Measure),
        #[cfg(feature = "storage-sled")]
        ("sled", measure::<raw::sled::Sled>),
        #[cfg(feature = "storage-fjall")]
        ("fjall", measure::<raw::fjall::Fjall>),
        #[cfg(feature = "storage-rocksdb")]
        ("rocksdb", measure::<raw::rocksdb::RocksDb>),
        #[cfg(feature = "storage-sqlite")]
        ("sqlite", measure::<raw::sqlite::Sqlite>),
        #[cfg(feature = "storage-lmdb")]
        ("lmdb", measure::<raw::lmdb::Lmdb>),
    ]
}

fn report(engine: &str, samples: &[Samples; 4], ratios: &mut [Vec<f64>; 2]) {
    for (samples, (operation, bounds)) in samples.iter().zip(BOUNDS) {
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

fn layers<R: Raw + 'static>(engine: &str, directory: &Path) -> [Box<dyn Layer>; 3] {
    let place = |layer| {
        let place = directory.join(layer);
        std::fs::create_dir_all(&place).unwrap();
        place
    };
    [
        Box::new(RawLayer(R::open(&place("raw")))),
        Box::new(BackendLayer::open(engine, &place("backend"))),
        Box::new(StoreLayer::open(engine, &directory.join("store"))),
    ]
}

/// Samples of get, scan and load.
fn measure<R: Raw + 'static>(engine: &str, arguments: &Arguments) -> [Samples; 4] {
    let load = loads::<R>(engine, arguments);
    let directory = tempfile::tempdir().unwrap();
    let layers = layers::<R>(engine, directory.path());
    for layer in &layers {
        fill(&**layer, arguments);
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

fn fill(layer: &dyn Layer, arguments: &Arguments) {
    let mut batch = Vec::new();
    for number in 0..arguments.rows {
        batch.push(Op::Put(key(number), value(number, arguments.value_bytes)));
        if batch.len() == arguments.batch || number + 1 == arguments.rows {
            layer.apply(&batch);
            batch.clear();
        }
    }
    layer.flush();
}

fn loads<R: Raw + 'static>(engine: &str, arguments: &Arguments) -> Samples {
    let batches = mixed_batches(arguments.load_rows, arguments.batch, arguments.value_bytes);
    let mut samples = Samples::default();
    for round in 0..arguments.load_rounds {
        let directory = tempfile::tempdir().unwrap();
        let layers = layers::<R>(engine, directory.path());
        for turn in 0..3 {
            let place = (round + turn) % 3;
            let layer = &*layers[place];
            samples[place].push(nanos_each(arguments.load_rows, || {
                for batch in &batches {
                    layer.apply(batch);
                }
            }));
            // Not timed: it is the disk that takes its time here.
            layer.flush();
        }
    }
    samples
}
