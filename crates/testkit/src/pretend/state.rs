//! The contents of the fake engine.

use bytes::Bytes;
use std::collections::BTreeMap;

pub(super) type Rows = BTreeMap<Bytes, Bytes>;

/// All contents: keyspace numbers by name, and rows by keyspace number.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) names: BTreeMap<String, u64>,
    pub(super) rows: BTreeMap<u64, Rows>,
    pub(super) next: u64,
}

impl State {
    pub(super) fn create(&mut self, name: &str) -> u64 {
        let number = *self.names.entry(name.to_owned()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.rows.entry(number).or_default();
        number
    }
}
