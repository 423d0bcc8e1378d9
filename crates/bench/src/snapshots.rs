//! Measures how long a snapshot takes to open: under a millisecond over a million keys, without blocking a writer.

use crate::measure::median;
use crate::workload::{key, value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::{ByteSize, Config, Durability, Keyspace, Registry, Store};

/// Pause between two snapshots during the writer's run, so that they hit it at many points of a commit.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; by default all of this build
    #[arg(long)]
    engine: Vec<String>,
    /// Rows in the store
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Snapshots to open while a writer runs
    #[arg(long, default_value_t = 100)]
    beside: usize,
    /// Rows in each batch of the writer
    #[arg(long, default_value_t = 10_000)]
    writer_batch: u64,
    /// Snapshots to open without a writer
    #[arg(long, default_value_t = 1_000)]
    snapshots: usize,
}

pub fn run(arguments: &Arguments) {
    println!(
        "{} rows; {} snapshots idle and {} concurrent with a writer that commits batches of {} rows; each is \
         read once and dropped\n",
        arguments.rows, arguments.snapshots, arguments.beside, arguments.writer_batch
    );
    println!(
        "| engine | idle: median us | longest us | with a writer: median us | longest us | medians under \
         1 ms | rows written a second without / with snapshots |"
    );
    println!("|---|--:|--:|--:|--:|---|--:|");
    for engine in engines(&arguments.engine) {
        let directory = tempfile::tempdir().unwrap();
        let (store, rows) = filled(&engine, directory.path(), arguments.rows, key);
        let idle = opened(&store, &rows, arguments.snapshots, Duration::ZERO);
        let rest = |_: &Store, _: &Keyspace| {
            std::thread::sleep(Duration::from_secs(3));
            Vec::new()
        };
        let (alone, _) = beside_writer(&store, &rows, arguments.writer_batch, rest);
        let (beside, busy) = beside_writer(&store, &rows, arguments.writer_batch, |store, rows| {
            opened(store, rows, arguments.beside, PAUSE)
        });
        let longest = |samples: &[f64]| samples.iter().copied().fold(0.0, f64::max);
        let holds = median(&idle) < 1_000.0 && median(&busy) < 1_000.0;
        println!(
            "| {engine} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {alone:.0} / {beside:.0} |",
            median(&idle),
            longest(&idle),
            median(&busy),
            longest(&busy),
            if holds { "yes" } else { "NO" }
        );
    }
}

pub fn engines(wanted: &[String]) -> Vec<String> {
    let registry = Registry::builtin();
    let all = registry.drivers().map(|driver| driver.info().name.to_owned());
    all.filter(|name| wanted.is_empty() || wanted.contains(name)).collect()
}

/// Opens or creates a store with a cache of 64 MiB, if the engine has one.
pub fn open(engine: &str, path: &std::path::Path) -> Store {
    let registry = Registry::builtin();
    let driver = registry.driver(engine).unwrap();
    let path = if driver.is_on_disk() { path } else { std::path::Path::new("") };
    let mut config = Config::new(engine, path).durability(Durability::Buffered);
    config.cache = driver.info().tuning.cache.then_some(ByteSize(64 << 20));
    registry.open_config(&config).unwrap()
}

/// A store of `engine` with `rows` rows of 16 + 100 bytes.
pub fn filled(
    engine: &str,
    directory: &std::path::Path,
    rows: u64,
    key: fn(u64) -> [u8; 16],
) -> (Store, Keyspace) {
    let store = open(engine, &directory.join("store"));
    let keyspace = store.create_keyspace("bench").unwrap();
    let mut batch = store.batch();
    for number in 0..rows {
        batch.set(&keyspace, key(number), value(number, 100));
        if batch.len() == 10_000 || number + 1 == rows {
            store.commit(&batch).unwrap();
            batch.clear();
        }
    }
    store.flush().unwrap();
    (store, keyspace)
}

/// Opens and drops `count` snapshots; returns the microseconds that each took to open.
fn opened(store: &Store, keyspace: &Keyspace, count: usize, pause: Duration) -> Vec<f64> {
    let open = |number: usize| {
        std::thread::sleep(pause);
        let start = Instant::now();
        let snapshot = store.snapshot().unwrap();
        let micros = start.elapsed().as_nanos() as f64 / 1_000.0;
        assert!(snapshot.has(keyspace, key(number as u64)).unwrap());
        micros
    };
    (0..count).map(open).collect()
}

/// Runs `work` while another thread overwrites rows in batches; returns rows written per second and the result of
/// `work`.
fn beside_writer(
    store: &Store,
    keyspace: &Keyspace,
    batch_rows: u64,
    work: impl FnOnce(&Store, &Keyspace) -> Vec<f64>,
) -> (f64, Vec<f64>) {
    let stop = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let start = Instant::now();
    let samples = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut batch = store.batch();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                batch.clear();
                for _ in 0..batch_rows {
                    number += 1;
                    batch.set(keyspace, key(number % 100_000), value(number, 100));
                }
                store.commit(&batch).unwrap();
                written.store(number, Ordering::Relaxed);
            }
        });
        let samples = work(store, keyspace);
        stop.store(true, Ordering::Relaxed);
        samples
    });
    (written.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64(), samples)
}
