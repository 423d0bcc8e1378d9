//! One trait over the raw engine, the backend and the store, each with its own database.

use crate::measure::{read, read_row};
use crate::raw::{self, MAP_BYTES, Raw};
use crate::workload::{Op, value};
use std::ops::ControlFlow;
use std::path::Path;
use strongroom::core::{KeyspaceId, WriteBatch};
use strongroom::{
    ByteSize, Config, Durability, Keyspace, KeyspaceHints, Options, Registry, Scan, StorageBackend, Store,
};

/// The layers, from the bottom up.
pub const LAYERS: [&str; 3] = ["raw", "backend", "store"];

/// The operations that are measured in each of the three layers.
pub trait Layer {
    /// Gets a value, reads its bytes and returns its length.
    fn get(&self, key: &[u8]) -> usize;
    /// Reads every row, row by row; returns the numbers of rows and bytes.
    fn scan(&self) -> (u64, u64);
    /// Reads every row through a visitor; returns the numbers of rows and bytes.
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
    fn open(engine: &str, directory: &Path, cache_bytes: u64) -> Self {
        let registry = Registry::builtin();
        let driver = registry.driver(engine).unwrap();
        let mut options = Options::new();
        if engine == "lmdb" {
            options = options.engine_option("map_bytes", MAP_BYTES.to_string());
        }
        options.cache_bytes = driver.info().tuning.cache.then_some(cache_bytes);
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
            bytes += read_row(key, value);
        }
        (rows, bytes)
    }

    fn visit(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        let mut count = |key: &[u8], value: &[u8]| {
            rows += 1;
            bytes += read_row(key, value);
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
    fn open(engine: &str, directory: &Path, cache_bytes: u64) -> Self {
        let registry = Registry::builtin();
        let mut config = Config::new(engine, directory).durability(Durability::Buffered);
        config.cache = registry.driver(engine).unwrap().info().tuning.cache.then_some(ByteSize(cache_bytes));
        if engine == "lmdb" {
            config.options.insert("map_bytes".into(), MAP_BYTES.to_string());
        }
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
            bytes += read_row(key, value);
        }
        (rows, bytes)
    }

    fn visit(&self) -> (u64, u64) {
        let (mut rows, mut bytes) = (0, 0);
        let mut count = |key: &[u8], value: &[u8]| {
            rows += 1;
            bytes += read_row(key, value);
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

/// Opens one of [`LAYERS`], by its index there, in its own subdirectory of `directory`.
fn layer<R: Raw + 'static>(engine: &str, directory: &Path, cache_bytes: u64, place: usize) -> Box<dyn Layer> {
    let directory = directory.join(LAYERS[place]);
    std::fs::create_dir_all(&directory).unwrap();
    match place {
        0 => Box::new(RawLayer(R::open(&directory, cache_bytes))),
        1 => Box::new(BackendLayer::open(engine, &directory, cache_bytes)),
        _ => Box::new(StoreLayer::open(engine, &directory, cache_bytes)),
    }
}

/// Opens a layer: engine name, directory of all layers, cache in bytes, and index in [`LAYERS`].
pub type Open = fn(&str, &Path, u64, usize) -> Box<dyn Layer>;

/// The engines of this build.
pub fn engines() -> Vec<(&'static str, Open)> {
    vec![
        #[cfg(feature = "storage-redb")]
        ("redb", layer::<raw::redb::Redb> as Open),
        #[cfg(feature = "storage-sled")]
        ("sled", layer::<raw::sled::Sled>),
        #[cfg(feature = "storage-fjall")]
        ("fjall", layer::<raw::fjall::Fjall>),
        #[cfg(feature = "storage-rocksdb")]
        ("rocksdb", layer::<raw::rocksdb::RocksDb>),
        #[cfg(feature = "storage-sqlite")]
        ("sqlite", layer::<raw::sqlite::Sqlite>),
        #[cfg(feature = "storage-lmdb")]
        ("lmdb", layer::<raw::lmdb::Lmdb>),
    ]
}

/// Writes rows in batches, in the order of their numbers.
pub fn fill(layer: &dyn Layer, rows: u64, batch_len: usize, value_bytes: usize, key: fn(u64) -> [u8; 16]) {
    let mut batch = Vec::new();
    for number in 0..rows {
        batch.push(Op::Put(key(number), value(number, value_bytes)));
        if batch.len() == batch_len || number + 1 == rows {
            layer.apply(&batch);
            batch.clear();
        }
    }
    layer.flush();
}
