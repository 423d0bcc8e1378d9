//! A feature in twenty lines, with its one entry in the list: all that it takes to add another.

use crate::request::Request;
use crate::stage::{Group, Member, Stages};
use crate::sync::atomic::{AtomicU64, Ordering};
use strongroom_core::{Error, ErrorKind, Result};

/// Refuses keys that begin with `forbidden/`, and counts the writes that pass.
#[derive(Default)]
pub(crate) struct Forbidden(AtomicU64);

impl Stages for Forbidden {
    fn validate(&self, _: &Group<'_>, request: &Request) -> Result<()> {
        if request.ops.ops().any(|(_, op)| op.key().starts_with(b"forbidden/")) {
            return Err(Error::new(ErrorKind::QuotaExceeded, "the key is forbidden"));
        }
        Ok(())
    }

    fn publish(&self, _: &Group<'_>, member: &Member<'_>) {
        self.0.fetch_add(member.writes().count() as u64, Ordering::Relaxed);
    }
}

#[test]
fn a_feature_of_twenty_lines_takes_part_in_every_commit() -> Result<()> {
    use strongroom_core::{Durability, MemoryBackend};
    let options = crate::StoreOptions::new().durability(Durability::Buffered);
    let store = crate::Store::new(MemoryBackend::in_memory(), options)?;
    let rows = store.default_keyspace()?;
    rows.set("allowed", "1")?;
    assert_eq!(rows.set("forbidden/fruit", "1").unwrap_err().kind(), ErrorKind::QuotaExceeded);
    rows.increment("count", 1)?;
    assert!(rows.get("forbidden/fruit")?.is_none());
    assert_eq!(store.pipeline().features.example.0.load(Ordering::Relaxed), 2);
    Ok(())
}
