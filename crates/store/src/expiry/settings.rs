//! What a store remembers of each keyspace that has to do with expiry: rows of the store's own keyspace.
//!
//! | Part | Bytes |
//! |---|---|
//! | key | `keyspace `, the name |
//! | value | format: 1 (1); flags: bit 0 says that rows may expire (1); the default time to live in milliseconds, 0 for none (8, big-endian); XXH3 of the name and the bytes before (8, big-endian) |

use crate::keyspace::KeyspaceInfo;
use crate::pipeline::{META_KEYSPACE, firmly};
use crate::store::Inner;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Snapshot, StorageBackend, WriteBatch};
use xxhash_rust::xxh3::xxh3_64;

const PREFIX: &[u8] = b"keyspace ";
const FORMAT: u8 = 1;
const MAY_EXPIRE: u8 = 1;
const BYTES: usize = 10;

/// The settings of a keyspace that is open.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Rows of it may expire, so that a scan of keys has to look at more than keys.
    may_expire: AtomicBool,
    /// The engine has it that rows may expire.
    is_kept: AtomicBool,
    /// 0: none.
    default_ttl_ms: AtomicU64,
}

impl Settings {
    pub(crate) fn may_expire(&self) -> bool {
        self.may_expire.load(Ordering::Acquire)
    }

    pub(crate) fn note_may_expire(&self) {
        self.may_expire.store(true, Ordering::Release);
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Acquire)
    }

    pub(crate) fn note_kept(&self) {
        self.is_kept.store(true, Ordering::Release);
    }

    pub(crate) fn default_ttl_ms(&self) -> Option<u64> {
        Some(self.default_ttl_ms.load(Ordering::Acquire)).filter(|ttl_ms| *ttl_ms > 0)
    }

    pub(crate) fn set_default_ttl_ms(&self, ttl_ms: Option<u64>) {
        self.default_ttl_ms.store(ttl_ms.unwrap_or(0), Ordering::Release);
    }

    /// Adds the row that says all this of a keyspace of which rows may expire.
    pub(crate) fn put_expiring(&self, batch: &mut WriteBatch, meta: KeyspaceId, name: &str) {
        put(batch, meta, name, true, self.default_ttl_ms());
    }
}

/// The settings of a keyspace as they are stored; the defaults if nothing is.
pub(crate) fn read(backend: &dyn StorageBackend, name: &str) -> Result<Settings> {
    let Some(meta) = own_keyspace(backend)? else { return Ok(Settings::default()) };
    match backend.get(meta, &key(name))? {
        Some(stored) => parse(name.as_bytes(), &stored),
        None => Ok(Settings::default()),
    }
}

/// As [`read`], in a snapshot.
pub(crate) fn in_snapshot(snapshot: &dyn Snapshot, own: Option<KeyspaceId>, name: &str) -> Result<Settings> {
    let stored = own.map_or(Ok(None), |own| snapshot.get(own, &key(name)))?;
    stored.map_or_else(|| Ok(Settings::default()), |stored| parse(name.as_bytes(), &stored))
}

/// Before a keyspace is created: what one of that name has left does not hold for the new one.
pub(crate) fn forget(backend: &dyn StorageBackend, name: &str) -> Result<()> {
    let Some(meta) = own_keyspace(backend)? else { return Ok(()) };
    if backend.get(meta, &key(name))?.is_none() {
        return Ok(());
    }
    let mut batch = WriteBatch::new();
    batch.delete(meta, &key(name));
    firmly(backend, &batch)
}

/// Keeps the default, then goes by it. In the pipeline's turn: commits write these rows too.
pub(crate) fn set_default_ttl(store: &Inner, keyspace: &KeyspaceInfo, ttl_ms: Option<u64>) -> Result<()> {
    let set = store.pipeline.apart(|backend| {
        store.keyspace_info(keyspace.id)?;
        let Some(meta) = store.pipeline.meta().filter(|_| !backend.is_read_only()) else {
            return Err(Error::new(ErrorKind::Unsupported, "the store is read-only"));
        };
        let settings = &keyspace.settings;
        let mut batch = WriteBatch::new();
        put(&mut batch, meta, &keyspace.name, settings.may_expire() || ttl_ms.is_some(), ttl_ms);
        firmly(backend, &batch)?;
        settings.set_default_ttl_ms(ttl_ms);
        if ttl_ms.is_some() {
            settings.note_may_expire();
            settings.note_kept();
            store.time.note_ends();
        }
        Ok(())
    });
    store.watched(set)
}

fn own_keyspace(backend: &dyn StorageBackend) -> Result<Option<KeyspaceId>> {
    match backend.keyspace(META_KEYSPACE) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The row's key.
pub(crate) fn key(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes()].concat()
}

/// Whether a row of the store's own says something of a keyspace, and the keyspace's name.
pub(crate) fn name_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(PREFIX)
}

pub(crate) fn put(
    batch: &mut WriteBatch,
    meta: KeyspaceId,
    name: &str,
    may_expire: bool,
    default_ttl_ms: Option<u64>,
) {
    let mut value = vec![FORMAT, if may_expire { MAY_EXPIRE } else { 0 }];
    value.extend_from_slice(&default_ttl_ms.unwrap_or(0).to_be_bytes());
    value.extend_from_slice(&checksum(name.as_bytes(), &value).to_be_bytes());
    batch.put(meta, &key(name), &value);
}

/// Reads a row.
pub(crate) fn parse(name: &[u8], value: &[u8]) -> Result<Settings> {
    let damaged = || {
        let name = name.escape_ascii();
        Error::new(
            ErrorKind::Corruption,
            format!("the settings of keyspace \"{name}\" are not as they were written"),
        )
        .hint("restore from a backup")
    };
    let (said, sum) = value.split_at_checked(BYTES).ok_or_else(damaged)?;
    if sum != checksum(name, said).to_be_bytes() {
        return Err(damaged());
    }
    if said[0] != FORMAT || said[1] & !MAY_EXPIRE != 0 {
        let name = name.escape_ascii();
        return Err(Error::new(ErrorKind::Unsupported, format!("keyspace \"{name}\" has unknown settings"))
            .hint("open the store with the version of Strongroom that wrote it"));
    }
    let default_ttl_ms = said[2..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(Settings {
        may_expire: AtomicBool::new(said[1] & MAY_EXPIRE != 0),
        is_kept: AtomicBool::new(said[1] & MAY_EXPIRE != 0),
        default_ttl_ms: AtomicU64::new(default_ttl_ms),
    })
}

/// What is stored, with the checksum that fits. Only the fuzzer forges rows.
#[cfg(any(test, fuzzing))]
pub(crate) fn resealed(name: &[u8], value: &[u8]) -> Vec<u8> {
    let said = &value[..value.len().min(BYTES)];
    [said, &checksum(name, said).to_be_bytes()].concat()
}

fn checksum(name: &[u8], said: &[u8]) -> u64 {
    xxh3_64(&[name, said].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::Op;

    const META: KeyspaceId = KeyspaceId::from_index(0);

    fn written(name: &str, may_expire: bool, default_ttl_ms: Option<u64>) -> (Vec<u8>, Vec<u8>) {
        let mut batch = WriteBatch::new();
        put(&mut batch, META, name, may_expire, default_ttl_ms);
        let Some((_, Op::Put { key, value })) = batch.ops().next() else { panic!() };
        (key.to_vec(), value.to_vec())
    }

    #[test]
    fn what_was_written_is_read_and_every_flipped_bit_is_seen() {
        for (may_expire, default_ttl_ms) in [(false, None), (true, Some(90_000)), (true, Some(u64::MAX))] {
            let (key, value) = written("rows", may_expire, default_ttl_ms);
            let settings = parse(name_of(&key).unwrap(), &value).unwrap();
            assert_eq!((settings.may_expire(), settings.default_ttl_ms()), (may_expire, default_ttl_ms));
            for bit in 0..value.len() * 8 {
                let mut damaged = value.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse(b"rows", &damaged).unwrap_err().kind(), ErrorKind::Corruption, "bit {bit}");
            }
            assert!(parse(b"other", &value).is_err(), "another keyspace's");
        }
        assert!(parse(b"rows", b"").is_err());
    }
}
