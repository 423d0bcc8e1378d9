//! Measures the peak of anonymous memory during a load, which must not exceed the cache plus 256 MiB.
//!
//! Each engine is loaded in its own process, because memory that the allocator keeps from one engine would count
//! against the next. Mapped files are the operating system's cache and do not count.

use crate::measure::anonymous_bytes;
use crate::snapshots::engines;
use crate::workload::{key, value};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom::{ByteSize, Config, Durability, Registry, Store};

/// Memory that a load may need in addition to the cache.
const BESIDE_CACHE_BYTES_MAX: u64 = 256 << 20;
/// The exit status if an engine exceeded its bound.
const BEYOND: i32 = 3;
const SAMPLE_EVERY: Duration = Duration::from_millis(2);

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to load; by default all that keep files
    #[arg(long)]
    engine: Vec<String>,
    /// Rows to load
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Rows in a batch
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    /// Cache size in MiB, for engines that have a cache
    #[arg(long, default_value_t = 64)]
    cache_mib: u64,
    /// Load in this process; one engine only
    #[arg(long, hide = true)]
    here: bool,
}

pub fn run(arguments: &Arguments) {
    if arguments.here {
        return arguments.engine.iter().for_each(|engine| load_here(engine, arguments));
    }
    println!(
        "{} rows of {} bytes in random order, batches of {}, each commit as durable as the engine claims\n",
        arguments.rows,
        16 + arguments.value_bytes,
        arguments.batch
    );
    println!("| engine | seconds | cache MiB | anonymous MiB at the peak | at most | holds |");
    println!("|---|--:|--:|--:|--:|---|");
    let mut all_hold = true;
    for engine in engines(&arguments.engine).into_iter().filter(|engine| engine != "memory") {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["footprint", "--here", "--engine", &engine])
            .args(["--rows", &arguments.rows.to_string(), "--batch", &arguments.batch.to_string()])
            .args(["--value-bytes", &arguments.value_bytes.to_string()])
            .args(["--cache-mib", &arguments.cache_mib.to_string()])
            .status()
            .unwrap();
        match ran.code() {
            Some(0) => {}
            Some(BEYOND) => all_hold = false,
            _ => panic!("{engine}: the load failed"),
        }
    }
    if !all_hold {
        std::process::exit(BEYOND);
    }
}

fn load_here(engine: &str, arguments: &Arguments) {
    let directory = tempfile::tempdir().unwrap();
    let (store, cache_bytes) = open(engine, directory.path(), arguments);
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(anonymous_bytes().expect("/proc reports anonymous memory"));
                std::thread::sleep(SAMPLE_EVERY);
            }
            peak
        });
        load(&store, arguments);
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(store.keyspace("bench").unwrap().count("").unwrap(), arguments.rows, "{engine} lost rows");
    let most = cache_bytes + BESIDE_CACHE_BYTES_MAX;
    println!(
        "| {engine} | {seconds:.1} | {} | {} | {} | {} |",
        cache_bytes >> 20,
        peak >> 20,
        most >> 20,
        if peak <= most { "yes" } else { "NO" }
    );
    if peak > most {
        std::process::exit(BEYOND);
    }
}

fn open(engine: &str, directory: &Path, arguments: &Arguments) -> (Store, u64) {
    let registry = Registry::builtin();
    let info = registry.driver(engine).unwrap().info();
    let durability = if info.capabilities.power_safe { Durability::PowerSafe } else { Durability::Buffered };
    let mut config = Config::new(engine, directory.join("store")).durability(durability);
    config.cache = info.tuning.cache.then_some(ByteSize(arguments.cache_mib << 20));
    (registry.open_config(&config).unwrap(), config.cache.map_or(0, |size| size.0))
}

fn load(store: &Store, arguments: &Arguments) {
    let rows = store.create_keyspace("bench").unwrap();
    let mut batch = store.batch();
    for number in 0..arguments.rows {
        batch.set(&rows, key(number), value(number, arguments.value_bytes));
        if batch.len() == arguments.batch || number + 1 == arguments.rows {
            store.commit(&batch).unwrap();
            batch.clear();
        }
    }
    store.flush().unwrap();
}
