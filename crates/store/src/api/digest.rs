//! A digest of a store's contents, the same on every engine.
//!
//! It is BLAKE3 over each keyspace in the order of names: the name, each row in the order of keys, and the number
//! of rows. Every part of variable length is preceded by its length, so different contents never make the same
//! input. Versions are not part of it: they are history, not contents.

use super::snapshot::Snapshot;
use crate::catalog::KeyspaceInfo;
use crate::sync::Arc;
use std::fmt;
use strongroom_core::{Result, Scan};

const DOMAIN: &[u8] = b"strongroom digest 1\n";
/// Bytes that are collected before they are hashed, since BLAKE3 is fast on long inputs.
const CHUNK_BYTES: usize = 128 * 1_024;

/// A BLAKE3 digest; `Display` prints it in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

struct Hasher {
    hasher: blake3::Hasher,
    chunk: Vec<u8>,
}

impl Hasher {
    fn new() -> Self {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + 4_096);
        chunk.extend_from_slice(DOMAIN);
        Self { hasher: blake3::Hasher::new(), chunk }
    }

    fn number(&mut self, number: u64) {
        self.chunk.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.hasher.update(&self.chunk);
            self.chunk.clear();
        }
    }

    fn finish(mut self) -> Digest {
        self.hasher.update(&self.chunk);
        Digest(*self.hasher.finalize().as_bytes())
    }
}

pub(crate) fn of_store(snapshot: &Snapshot, keyspaces: &[Arc<KeyspaceInfo>]) -> Result<Digest> {
    let mut hasher = Hasher::new();
    for keyspace in keyspaces {
        hasher.bytes(keyspace.name.as_bytes());
        let mut rows = snapshot.rows(keyspace, Scan::all())?;
        let mut count = 0;
        while rows.advance()? {
            let (key, value) = rows.row();
            // Each row begins with 1 and the rows end with 0, since their number is known only afterwards.
            hasher.number(1);
            hasher.bytes(key);
            hasher.number(rows.expires_at_ms().map_or(0, |at| at.saturating_add(1)));
            hasher.bytes(value);
            count += 1;
        }
        hasher.number(0);
        hasher.number(count);
    }
    Ok(hasher.finish())
}
