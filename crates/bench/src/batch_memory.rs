//! Measures the memory that one batch takes: the peak of anonymous memory, less the amount before the batch.
//!
//! The store holds the rows twice, once in the batch and once in envelopes; the rest belongs to the engine. Each
//! engine runs in its own process, because memory that the allocator keeps from one engine would count against the
//! next. Engines open with their default cache, so the figure includes cache growth during the write.

use crate::measure::anonymous_bytes;
use crate::snapshots::engines;
use crate::workload::{key, value};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom::{Config, Durability, ErrorKind, Registry};

const SAMPLE_EVERY: Duration = Duration::from_millis(2);
/// Upper bound on the bytes that the store adds to a value.
const ENVELOPE_BYTES_MAX: u64 = 64;
/// Operations of a batch that are left to the store: it adds a few of its own to each batch.
const OPS_OF_THE_STORE: u64 = 16;

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; by default all that keep files
    #[arg(long)]
    engine: Vec<String>,
    /// Rows of the batch; fewer for an engine with a lower limit
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Bytes of a value; a key is 16 bytes long
    #[arg(long, default_value_t = 22)]
    value_bytes: usize,
    /// Measure in this process; one engine only
    #[arg(long, hide = true)]
    here: bool,
}

pub fn run(arguments: &Arguments) {
    if arguments.here {
        return arguments.engine.iter().for_each(|engine| commit_here(engine, arguments));
    }
    println!("one batch of {} rows of {} bytes\n", arguments.rows, 16 + arguments.value_bytes);
    println!("| engine | rows | batch MiB | seconds | memory at the peak, MiB | bytes for each row |");
    println!("|---|--:|--:|--:|--:|--:|");
    for engine in engines(&arguments.engine).into_iter().filter(|engine| engine != "memory") {
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["batch", "--here", "--engine", &engine])
            .args(["--rows", &arguments.rows.to_string()])
            .args(["--value-bytes", &arguments.value_bytes.to_string()])
            .status()
            .unwrap();
        assert!(ran.success(), "{engine}: the batch failed");
    }
}

fn commit_here(engine: &str, arguments: &Arguments) {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builtin();
    let info = registry.driver(engine).unwrap().info();
    let claimed = if info.capabilities.power_safe { Durability::PowerSafe } else { Durability::Buffered };
    let config = Config::new(engine, directory.path().join("store")).durability(claimed);
    let store = match registry.open_config(&config) {
        // Power safety may depend on the file system.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            registry.open_config(&config.durability(Durability::Buffered)).unwrap()
        }
        opened => opened.unwrap(),
    };
    let most = u64::try_from(info.batch.ops_max).unwrap().saturating_sub(OPS_OF_THE_STORE);
    let row_bytes = u64::try_from(16 + arguments.value_bytes).unwrap() + ENVELOPE_BYTES_MAX;
    let count = arguments.rows.min(most).min(u64::try_from(info.batch.bytes_max).unwrap() / row_bytes);
    let rows = store.create_keyspace("bench").unwrap();
    let before = anonymous_bytes().expect("/proc reports anonymous memory");
    let done = AtomicBool::new(false);
    let (peak, seconds, bytes) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(anonymous_bytes().unwrap_or(0));
                std::thread::sleep(SAMPLE_EVERY);
            }
            peak
        });
        let mut batch = store.batch();
        for number in 0..count {
            batch.set(&rows, key(number), value(number, arguments.value_bytes));
        }
        let start = Instant::now();
        let outcome = store.commit(&batch);
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        outcome.unwrap();
        (watch.join().unwrap(), seconds, batch.bytes())
    });
    assert_eq!(rows.count("").unwrap(), count, "{engine} lost rows");
    let taken = peak.saturating_sub(before);
    println!(
        "| {engine} | {count} | {} | {seconds:.1} | {} | {} |",
        bytes >> 20,
        taken >> 20,
        taken / count.max(1)
    );
}
