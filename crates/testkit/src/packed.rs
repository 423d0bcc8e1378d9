//! A backend that packs all keyspaces, so that the suite also runs over shared tables.

use crate::twist::{Twist, Twisted};
use strongroom_core::{KeyspaceHints, KeyspaceId, Placement, Result, StorageBackend};

struct AllPacked;

impl Twist for AllPacked {
    fn create_keyspace(
        &self,
        inner: &dyn StorageBackend,
        name: &str,
        hints: KeyspaceHints,
    ) -> Result<KeyspaceId> {
        inner.create_keyspace(name, hints.placed(Placement::Packed))
    }
}

/// Wraps a backend so that all new keyspaces are packed into shared tables, whatever their hints.
///
/// ```
/// use strongroom_core::MemoryBackend;
/// use strongroom_testkit::packed;
///
/// strongroom_testkit::conformance!(memory_packed, |_directory| Ok(packed(MemoryBackend::in_memory())));
/// # fn main() {}
/// ```
pub fn packed(backend: impl StorageBackend + 'static) -> Box<dyn StorageBackend> {
    Box::new(Twisted::new(Box::new(backend), AllPacked))
}
