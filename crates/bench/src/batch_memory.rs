//! What one batch costs in memory: anonymous memory at its peak, beyond what there was when it began.
//!
//! The store makes two copies of what is in the batch, one in the batch and one with the envelopes; the rest is the
//! engine's. Each engine has a process of its own, because memory that an allocator keeps from one would be counted
//! for the next. It opens with its default cache: what a cache takes up while the batch is written is in the figure.

use crate::measure::anonymous_bytes;
use crate::snapshots::engines;
use crate::workload::{key, value};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom::{Config, Durability, ErrorKind, Registry};

const SAMPLE_EVERY: Duration = Duration::from_millis(2);
/// What the store puts around a value, at most.
const ENVELOPE_BYTES_MAX: u64 = 64;
/// Of these a store needs a few for itself in each batch.
const OPS_OF_THE_STORE: u64 = 16;

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to try; all that keep files if none is named
    #[arg(long)]
    engine: Vec<String>,
    /// Rows of the batch; fewer where an engine takes no more
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Bytes of a value; a key has 16
    #[arg(long, default_value_t = 22)]
    value_bytes: usize,
    /// In this process, which is then expected to try one engine only
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
        // It may depend on the file system.
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            registry.open_config(&config.durability(Durability::Buffered)).unwrap()
        }
        opened => opened.unwrap(),
    };
    let most = u64::try_from(info.batch.ops_max).unwrap().saturating_sub(OPS_OF_THE_STORE);
    let row_bytes = u64::try_from(16 + arguments.value_bytes).unwrap() + ENVELOPE_BYTES_MAX;
    let count = arguments.rows.min(most).min(u64::try_from(info.batch.bytes_max).unwrap() / row_bytes);
    let rows = store.create_keyspace("bench").unwrap();
    let before = anonymous_bytes().expect("/proc tells the anonymous memory");
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
