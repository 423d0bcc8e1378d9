//! Measures power-safe single writes by many threads, in turn through the raw engine and the store, on one disk.
//!
//! The point is how many commits share a sync, so the disk matters more than the processor. The disk is either
//! simulated, with a configurable flush time, or a directory of a real disk. On the simulated disk a child process
//! does the work, as the documentation of the disk demands.

use crate::measure::median;
use crate::raw::{self, CACHE_BYTES, Raw};
use crate::workload::{key, value};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use strongroom::{Config, Keyspace, Registry, Store};
use strongroom_powercut::disk::{self, Disk, DiskOptions, FileSystem};

/// Length of a value, in bytes.
const VALUE_BYTES: usize = 100;

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; by default all that claim power-safe commits
    #[arg(long)]
    engine: Vec<String>,
    /// Numbers of writing threads
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    threads: Vec<usize>,
    /// Length of a layer's turn, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    turn_ms: u64,
    /// Turns per layer
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write to this directory, on a real disk
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Flush time of the simulated disk, in microseconds (Linux, root)
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 2_000)]
    flush_us: u64,
    /// Do the work here, in a child process
    #[arg(long, hide = true)]
    is_child: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    if arguments.is_child {
        let directory = arguments.directory.as_deref().unwrap_or(Path::new("."));
        disk::die_with_parent().unwrap();
        measure_all(arguments, directory);
        return ExitCode::SUCCESS;
    }
    let place = match &arguments.directory {
        Some(directory) => format!("the disk of {}", directory.display()),
        None => format!("a simulated disk whose flush takes {} us, ext4", arguments.flush_us),
    };
    println!(
        "Power-safe puts of {} bytes, each a commit, on {place}; medians of {} turns of {} ms.\n",
        16 + VALUE_BYTES,
        arguments.rounds,
        arguments.turn_ms
    );
    println!("| engine | threads | raw commits/s | store commits/s | ratio | commits per sync |");
    println!("|---|--:|--:|--:|--:|--:|");
    match &arguments.directory {
        Some(directory) => {
            let scratch = tempfile::tempdir_in(directory).unwrap();
            measure_all(arguments, scratch.path());
            ExitCode::SUCCESS
        }
        None => on_simulated_disk(arguments),
    }
}

fn on_simulated_disk(arguments: &Arguments) -> ExitCode {
    if let Some(why) = disk::unavailable() {
        eprintln!("SKIPPED: {why}; give --directory to measure on a real disk");
        return ExitCode::from(3);
    }
    // Before any mount: the mounts of an isolated process disappear with it.
    disk::isolate().unwrap();
    for engine in engines().iter().map(|(name, _)| *name).filter(|name| is_wanted(arguments, name)) {
        let options = DiskOptions { flush_delay: Duration::from_micros(arguments.flush_us) };
        let formatted = Disk::formatted(FileSystem::Ext4).unwrap();
        let disk = Disk::mount(formatted, FileSystem::Ext4, &options).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["group", "--is-child", "--engine", engine, "--directory"]).arg(disk.path());
        child.args(["--turn-ms", &arguments.turn_ms.to_string(), "--rounds", &arguments.rounds.to_string()]);
        let threads: Vec<String> = arguments.threads.iter().map(ToString::to_string).collect();
        let status = child.args(["--threads", &threads.join(",")]).status();
        disk.unmount().unwrap();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("{engine}: the measuring process failed");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn is_wanted(arguments: &Arguments, engine: &str) -> bool {
    arguments.engine.is_empty() || arguments.engine.iter().any(|name| name == engine)
}

fn measure_all(arguments: &Arguments, directory: &Path) {
    for (engine, measure) in engines() {
        if is_wanted(arguments, engine) {
            measure(engine, arguments, directory);
        }
    }
}

type Measure = fn(&str, &Arguments, &Path);

/// The engines of this build with power-safe commits, each with its raw counterpart.
fn engines() -> Vec<(&'static str, Measure)> {
    vec![
        #[cfg(feature = "storage-redb")]
        ("redb", measure::<raw::redb::Redb> as Measure),
        #[cfg(feature = "storage-fjall")]
        ("fjall", measure::<raw::fjall::Fjall>),
        #[cfg(feature = "storage-rocksdb")]
        ("rocksdb", measure::<raw::rocksdb::RocksDb>),
        #[cfg(feature = "storage-sqlite")]
        ("sqlite", measure::<std::sync::Mutex<raw::sqlite::Sqlite>>),
        #[cfg(feature = "storage-lmdb")]
        ("lmdb", measure::<raw::lmdb::Lmdb>),
    ]
}

/// A raw engine that many threads write durably.
pub trait Durable: Sync {
    /// Opens the engine with the settings that make a commit power-safe.
    fn open(directory: &Path) -> Self;
    /// Commits one row, durably.
    fn put(&self, key: &[u8], value: &[u8]);
}

impl<R: Raw + Sync> Durable for R {
    fn open(directory: &Path) -> Self {
        <R as Raw>::open(directory, CACHE_BYTES)
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        self.put_durably(key, value);
    }
}

/// One shared connection behind a lock: the best that SQLite offers many writers.
#[cfg(feature = "storage-sqlite")]
impl Durable for std::sync::Mutex<raw::sqlite::Sqlite> {
    fn open(directory: &Path) -> Self {
        Self::new(raw::sqlite::Sqlite::open(directory, CACHE_BYTES))
    }

    fn put(&self, key: &[u8], value: &[u8]) {
        self.lock().unwrap().put_durably(key, value);
    }
}

fn measure<R: Durable>(engine: &str, arguments: &Arguments, directory: &Path) {
    let directory = directory.join(engine);
    std::fs::create_dir_all(directory.join("raw")).unwrap();
    let raw = R::open(&directory.join("raw"));
    let (store, keyspace) = open_store(engine, &directory.join("store"));
    let next = AtomicU64::new(0);
    for &threads in &arguments.threads {
        let before = store.stats().unwrap();
        let (mut of_raw, mut of_store) = (Vec::new(), Vec::new());
        for round in 0..arguments.rounds {
            let mut turn = |is_raw: bool| {
                if is_raw {
                    of_raw.push(commits_a_second(threads, arguments.turn_ms, &next, &|key, value| {
                        raw.put(key, value);
                    }));
                } else {
                    of_store.push(commits_a_second(threads, arguments.turn_ms, &next, &|key, value| {
                        keyspace.set(key, value).unwrap();
                    }));
                }
            };
            // The second turn finds a warmer disk, so the order alternates.
            turn(round % 2 == 0);
            turn(round % 2 == 1);
        }
        let after = store.stats().unwrap();
        let (raw_median, store_median) = (median(&of_raw), median(&of_store));
        let shared = (after.group_commits - before.group_commits) as f64
            / (after.groups - before.groups).max(1) as f64;
        println!(
            "| {engine} | {threads} | {raw_median:.0} | {store_median:.0} | {:.2} | {shared:.1} |",
            store_median / raw_median
        );
    }
}

fn open_store(engine: &str, directory: &Path) -> (Store, Keyspace) {
    let store = Registry::builtin().open_config(&Config::new(engine, directory)).unwrap();
    let keyspace = store.create_keyspace("bench").unwrap();
    (store, keyspace)
}

/// Lets `threads` threads write for `turn_ms`, and returns the commits per second.
fn commits_a_second(
    threads: usize,
    turn_ms: u64,
    next: &AtomicU64,
    put: &(dyn Fn(&[u8], &[u8]) + Sync),
) -> f64 {
    let began = Instant::now();
    let until = began + Duration::from_millis(turn_ms);
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while Instant::now() < until {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    put(&key(number), &value(number, VALUE_BYTES));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}
