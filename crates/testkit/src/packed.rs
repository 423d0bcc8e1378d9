//! A backend whose keyspaces are all packed, so that the suite runs over shared tables too.

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

/// The same backend, but for where it puts new keyspaces: in tables that they share, whatever they ask for.
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
