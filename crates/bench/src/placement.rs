//! Repeats one operation in a dedicated or a packed keyspace, so that a tool can count its instructions.
//!
//! The difference between the two is the cost of the four bytes that a packed keyspace puts before each key.
//!
//! ```text
//! cargo build --release -p strongroom-bench
//! for times in 20000 40000; do valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!     target/release/strongroom-bench placement --engine redb --keyspace packed --operation get --times $times; done
//! ```
//!
//! One operation takes the difference of the two counts divided by 20,000, as opening and loading cancel out.

use crate::measure::read;
use crate::workload::{key, value};
use std::hint::black_box;
use strongroom::core::WriteBatch;
use strongroom::{Durability, KeyspaceHints, Options, Registry, Scan};

/// Rows in the keyspace.
const ROWS: u64 = 10_000;

#[derive(clap::Args)]
pub struct Arguments {
    /// The engine
    #[arg(long, default_value = "redb")]
    engine: String,
    /// Placement of the keyspace
    #[arg(long, value_parser = ["dedicated", "packed"], default_value = "packed")]
    keyspace: String,
    /// Operation to repeat
    #[arg(long, value_parser = ["get", "put", "scan"], default_value = "get")]
    operation: String,
    /// Repetitions: gets, buffered commits of one row, or rows scanned
    #[arg(long, default_value_t = 20_000)]
    times: u64,
}

pub fn run(arguments: &Arguments) {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builtin();
    let driver = registry.driver(&arguments.engine).unwrap();
    let backend = driver.open_backend(&directory.path().join("store"), &Options::new()).unwrap();
    let hints =
        if arguments.keyspace == "packed" { KeyspaceHints::packed() } else { KeyspaceHints::dedicated() };
    let rows = backend.create_keyspace("rows", hints).unwrap();
    let mut batch = WriteBatch::new();
    for number in 0..ROWS {
        batch.put(rows, &key(number), &value(number, 100));
    }
    backend.commit(&batch, Durability::Buffered).unwrap();
    match arguments.operation.as_str() {
        "get" => {
            for number in 0..arguments.times {
                let found = backend.get(rows, &key(number % ROWS)).unwrap();
                black_box(found.map_or(0, |value| read(&value)));
            }
        }
        "put" => {
            for number in 0..arguments.times {
                batch.clear();
                batch.put(rows, &key(number % ROWS), &value(number, 100));
                backend.commit(&batch, Durability::Buffered).unwrap();
            }
        }
        _ => {
            for _ in 0..arguments.times / ROWS {
                let mut cursor = backend.snapshot().unwrap().cursor(rows, Scan::all()).unwrap();
                while cursor.advance().unwrap() {
                    let (key, value) = cursor.row();
                    black_box(read(key) + read(value));
                }
            }
        }
    }
}
