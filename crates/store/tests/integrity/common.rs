//! Helpers of these tests.

use super::support::pretend;
use std::ops::ControlFlow;
use std::path::Path;
use strongroom_core::{
    Backend, ErrorKind, MemoryOptions, Options, Result, StorageBackend, TypedOptions, Undo,
};
use strongroom_store::{Integrity, Store, StoreOptions, Verified};
use strongroom_testkit::PretendEngine;
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

pub fn with(integrity: Integrity) -> StoreOptions {
    StoreOptions::new().integrity(integrity)
}

pub fn open_with(path: &Path, integrity: Integrity) -> Store {
    pretend::open_with(path, with(integrity), &Options::new()).unwrap()
}

pub fn full(path: &Path) -> Store {
    open_with(path, Integrity::Full)
}

pub fn verify(store: &Store) -> Result<Verified> {
    store.verify(&mut |_| ControlFlow::Continue(()))
}

/// Returns the message of the damage that a check finds.
pub fn complaint(store: &Store) -> String {
    let error = verify(store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
    error.to_string()
}

/// A store with the rows a, b and c in "events".
pub fn filled(path: &Path, integrity: Integrity) {
    let store = open_with(path, integrity);
    let events = store.create_keyspace("events").unwrap();
    for key in ["a", "b", "c"] {
        events.set(key, key).unwrap();
    }
}

/// A tally as it is stored: state 1 is live, 2 is being dropped.
pub fn tally(keyspace: &str, state: u8, stored: &[u8]) -> Vec<u8> {
    let mut bytes = stored[..26].to_vec();
    bytes[1] = state;
    let checksum = xxh3_64_with_seed(&bytes, xxh3_64(keyspace.as_bytes()));
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The tally of the tallies.
pub fn root(tallies: &[(&str, &[u8])]) -> Vec<u8> {
    let mut hash = 0_u128;
    for (name, stored) in tallies {
        let pieces = [b"_integrity", name.as_bytes(), stored];
        let bytes: Vec<u8> =
            pieces.iter().flat_map(|piece| [&(piece.len() as u64).to_be_bytes(), *piece].concat()).collect();
        hash = hash.wrapping_add(xxh3_128(&bytes));
    }
    let rows = tallies.len() as u64;
    let bytes = [&[1, 1][..], &rows.to_be_bytes(), &hash.to_be_bytes()].concat();
    tally("_integrity", 1, &bytes)
}

/// A store on an engine whose calls fail on demand.
pub fn open_faulty(path: &Path, options: StoreOptions, faults: &Faults) -> Result<Store> {
    type FaultyBackend = Backend<Undo<FaultyEngine<PretendEngine>>>;
    let info = <Undo<PretendEngine> as strongroom_core::Engine>::INFO;
    Store::open(path, &info, options, &Options::new(), |path, common| {
        let options = FaultyOptions::<MemoryOptions>::new(faults.clone()).with_common(common.clone());
        Ok(Box::new(FaultyBackend::open(path, options)?) as Box<dyn StorageBackend>)
    })
}
