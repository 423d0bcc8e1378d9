//! Measures many keyspaces, and keyspaces that come and go: a raw engine with one table each, and the store.
//!
//! Each subject runs in its own process, because memory and descriptors of one would count against the next. A
//! phase that exceeds the time limit is stopped, and the figures cover the keyspaces done by then.

use crate::measure::anonymous_bytes;
use crate::raw::tables::{self, Outcome, Tables};
use crate::snapshots::engines;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use strongroom::{Config, Durability, Registry, Store};

/// The most tables, for raw engines that must know it when they open.
const TABLES_MAX: u32 = 20_000;

#[derive(clap::Args)]
pub struct Arguments {
    /// Engines to measure; by default all that keep files
    #[arg(long)]
    engine: Vec<String>,
    /// Keyspaces to create
    #[arg(long, default_value_t = 10_000)]
    keyspaces: u32,
    /// Rounds of churn: create a keyspace, write a row, drop the keyspace
    #[arg(long, default_value_t = 1_000)]
    rounds: u32,
    /// Seconds after which a raw engine is stopped while it creates, drops or churns keyspaces
    #[arg(long, default_value_t = 60)]
    seconds_max: u64,
    /// Measure only one of the two
    #[arg(long, value_parser = ["raw", "store"])]
    through: Option<String>,
    /// Measure in this process; one engine only
    #[arg(long, hide = true)]
    here: bool,
}

/// The subject of a measurement: tables of a raw engine, or keyspaces of a store.
trait Subject {
    /// Creates one and writes a row to it.
    fn make(&mut self, name: &str) -> Outcome<()>;
    fn remove(&mut self, name: &str) -> Outcome<()>;
}

struct Raw<T>(T);

impl<T: Tables> Raw<T> {
    fn open(directory: &Path) -> Outcome<Self> {
        T::open(directory, TABLES_MAX).map(Self)
    }
}

impl<T: Tables> Subject for Raw<T> {
    fn make(&mut self, name: &str) -> Outcome<()> {
        self.0.create(name)?;
        self.0.put(name, b"key", b"value")
    }

    fn remove(&mut self, name: &str) -> Outcome<()> {
        self.0.remove(name)
    }
}

pub fn run(arguments: &Arguments) {
    if arguments.here {
        let through_store = arguments.through.as_deref() == Some("store");
        return arguments.engine.iter().for_each(|engine| measure(engine, through_store, arguments));
    }
    println!(
        "{} keyspaces with a row each, created durably one by one; then half of them dropped; then, in a fresh \
         directory, {} rounds of creating, writing and dropping one. Open files and memory are those of the process \
         that has the database open.\n",
        arguments.keyspaces, arguments.rounds
    );
    println!(
        "| engine | through | made | ms each | MiB on disk | files open | anonymous MiB | reopened, ms | drop, ms each \
         | rounds of churn | ms each | MiB on disk | files open |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for engine in engines(&arguments.engine).into_iter().filter(|engine| engine != "memory") {
        let wanted = |through: &&str| arguments.through.as_deref().is_none_or(|only| only == *through);
        for through in ["raw", "store"].into_iter().filter(wanted) {
            let ran = Command::new(std::env::current_exe().unwrap())
                .args(["keyspaces", "--here", "--engine", &engine, "--through", through])
                .args(["--keyspaces", &arguments.keyspaces.to_string()])
                .args(["--rounds", &arguments.rounds.to_string()])
                .args(["--seconds-max", &arguments.seconds_max.to_string()])
                .status()
                .unwrap();
            if !ran.success() {
                println!("| {engine} | {through} | the process ended with {ran} | | | | | | | | | | |");
            }
        }
    }
}

fn measure(engine: &str, through_store: bool, arguments: &Arguments) {
    if through_store {
        return row(engine, "store", arguments, |directory| StoreSubject::of(engine, directory));
    }
    match engine {
        #[cfg(feature = "storage-redb")]
        "redb" => row(engine, "raw", arguments, Raw::<tables::redb::Redb>::open),
        #[cfg(feature = "storage-sled")]
        "sled" => row(engine, "raw", arguments, Raw::<tables::sled::Sled>::open),
        #[cfg(feature = "storage-fjall")]
        "fjall" => row(engine, "raw", arguments, Raw::<tables::fjall::Fjall>::open),
        #[cfg(feature = "storage-rocksdb")]
        "rocksdb" => row(engine, "raw", arguments, Raw::<tables::rocksdb::RocksDb>::open),
        #[cfg(feature = "storage-sqlite")]
        "sqlite" => row(engine, "raw", arguments, Raw::<tables::sqlite::Sqlite>::open),
        #[cfg(feature = "storage-lmdb")]
        "lmdb" => row(engine, "raw", arguments, Raw::<tables::lmdb::Lmdb>::open),
        other => panic!("{other} is not built in"),
    }
}

struct StoreSubject(Store);

impl StoreSubject {
    fn of(engine: &str, directory: &Path) -> Outcome<Self> {
        let registry = Registry::builtin();
        let info = registry.driver(engine)?.info();
        let durability =
            if info.capabilities.power_safe { Durability::PowerSafe } else { Durability::Buffered };
        let config = Config::new(engine, directory.join("store")).durability(durability);
        Ok(Self(registry.open_config(&config)?))
    }
}

impl Subject for StoreSubject {
    /// Without hints, as most applications do it.
    fn make(&mut self, name: &str) -> Outcome<()> {
        let keyspace = self.0.create_keyspace(name)?;
        let mut batch = self.0.batch();
        batch.durability(Durability::Buffered).set(&keyspace, b"key", b"value");
        self.0.commit(&batch)?;
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Outcome<()> {
        Ok(self.0.drop_keyspace(name)?)
    }
}

/// The outcome of a phase: how many steps ran, milliseconds per step, and what stopped it early.
struct Phase {
    count: u32,
    ms_each: f64,
    stopped: Option<String>,
}

fn phase(count: u32, limit: Duration, mut work: impl FnMut(u32) -> Outcome<()>) -> Phase {
    let start = Instant::now();
    let mut done = 0;
    let mut stopped = None;
    while done < count {
        if start.elapsed() > limit {
            stopped = Some("time was up".to_owned());
            break;
        }
        if let Err(error) = work(done) {
            stopped = Some(error.to_string());
            break;
        }
        done += 1;
    }
    let ms_each = start.elapsed().as_secs_f64() * 1_000.0 / f64::from(done.max(1));
    Phase { count: done, ms_each, stopped }
}

fn row<S: Subject>(engine: &str, through: &str, arguments: &Arguments, open: impl Fn(&Path) -> Outcome<S>) {
    let limit = if through == "raw" { Duration::from_secs(arguments.seconds_max) } else { Duration::MAX };
    let name = |number: u32| format!("component-{number:05}");
    let directory = tempfile::tempdir().unwrap();
    let mut subject = open(directory.path()).unwrap();
    let made = phase(arguments.keyspaces, limit, |number| subject.make(&name(number)));
    let (disk, files) = (disk_mib(directory.path()), open_files(directory.path()));
    let memory = anonymous_bytes().map_or_else(|| "?".to_owned(), |bytes| (bytes >> 20).to_string());
    drop(subject);
    let start = Instant::now();
    let mut subject = open(directory.path()).unwrap();
    let reopened_ms = start.elapsed().as_secs_f64() * 1_000.0;
    let dropped = phase(made.count / 2, limit, |number| subject.remove(&name(number)));
    drop(subject);
    drop(directory);

    let directory = tempfile::tempdir().unwrap();
    let mut subject = open(directory.path()).unwrap();
    let churned = phase(arguments.rounds, limit, |_| {
        subject.make("comes-and-goes")?;
        subject.remove("comes-and-goes")
    });
    println!(
        "| {engine} | {through} | {} | {:.2} | {disk} | {files} | {memory} | {reopened_ms:.0} | {:.2} | {} | {:.2} | {} | {} |",
        made.count,
        made.ms_each,
        dropped.ms_each,
        churned.count,
        churned.ms_each,
        disk_mib(directory.path()),
        open_files(directory.path()),
    );
    for (what, phase) in [("making", made), ("dropping", dropped), ("churning", churned)] {
        if let Some(why) = phase.stopped {
            eprintln!("{engine} {through}, {what}: stopped after {}: {why}", phase.count);
        }
    }
}

/// Space that the files under a directory take, in MiB.
fn disk_mib(directory: &Path) -> u64 {
    fn bytes(directory: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
        let size = |entry: std::fs::DirEntry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes(&entry.path()),
            #[cfg(unix)]
            Ok(found) => std::os::unix::fs::MetadataExt::blocks(&found) * 512,
            #[cfg(not(unix))]
            Ok(found) => found.len(),
            Err(_) => 0,
        };
        entries.flatten().map(size).sum()
    }
    bytes(directory).div_ceil(1 << 20)
}

/// Files under a directory that this process has open.
fn open_files(directory: &Path) -> String {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return "?".to_owned() };
    let targets = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.starts_with(directory)).count().to_string()
}
