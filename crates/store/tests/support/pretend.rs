//! Stores on the testkit's fake engine, which keeps everything in one file, and access to what is beneath them.

use std::path::Path;
use strongroom_core::{
    Durability, KeyspaceId, Marked, MemoryOptions, Options, Result, StorageBackend, TypedOptions as _, Undo,
    WriteBatch,
};
use strongroom_store::{Store, StoreOptions};
use strongroom_testkit::{PretendBackend, PretendEngine};

/// Opens or creates a store.
pub fn open_with(path: &Path, options: StoreOptions, engine: &Options) -> Result<Store> {
    let info = <Undo<PretendEngine> as strongroom_core::Engine>::INFO;
    Store::open(path, &info, options, engine, |path, options| Ok(Box::new(raw_with(path, options)?)))
}

/// Opens or creates a store with the defaults.
pub fn open(path: &Path) -> Store {
    open_with(path, StoreOptions::new(), &Options::new()).unwrap()
}

/// Opens the engine alone.
pub fn raw_with(path: &Path, options: &Options) -> Result<PretendBackend> {
    PretendBackend::open(path, MemoryOptions::from_options(options)?)
}

/// Opens the engine beneath a closed store for writing, without the store.
pub fn beneath(path: &Path) -> PretendBackend {
    raw_with(path, &Options::new().marked(Marked::Writable)).unwrap()
}

/// Changes rows in the engine beneath a closed store.
pub fn tamper(path: &Path, keyspace: &str, change: impl FnOnce(&mut WriteBatch, KeyspaceId)) {
    let backend = beneath(path);
    let id = backend.keyspace(keyspace).unwrap();
    let mut batch = WriteBatch::new();
    change(&mut batch, id);
    backend.commit(&batch, Durability::PowerSafe).unwrap();
}

/// Returns a stored row, with its envelope.
pub fn stored(path: &Path, keyspace: &str, key: &[u8]) -> Vec<u8> {
    let backend = beneath(path);
    let id = backend.keyspace(keyspace).unwrap();
    backend.get(id, key).unwrap().unwrap().to_vec()
}

/// Returns the content of the engine's file, to be put back later.
pub fn engine_file(path: &Path) -> Vec<u8> {
    std::fs::read(path.join(PretendEngine::FILE)).unwrap()
}

/// Puts an earlier file of the engine back. Later commits are lost.
pub fn put_back(path: &Path, file: &[u8]) {
    std::fs::write(path.join(PretendEngine::FILE), file).unwrap();
}
