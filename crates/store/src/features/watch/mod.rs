//! Watches: they deliver commits as they happen, in commit order.
//!
//! The leader publishes each commit after the engine has acknowledged it at the requested durability, and before
//! the next group begins (invariant 15). So events come in commit order, and a failed commit has none. Each watch
//! has a bounded buffer of its own. A watch that is not read delays no commit, and reports how many events it
//! missed.

pub(crate) mod channel;
pub(crate) mod event;
pub(crate) mod hub;

use crate::catalog::KeyspaceInfo;
use crate::stage::{Group, KeyspaceEvent, Member, Stages};
use crate::sync::Arc;
use event::{KeyspaceChangeKind, WatchedKeyspace};
use hub::Hub;

/// The feature: delivers commits to the watches.
#[derive(Default)]
pub(crate) struct Watchers {
    /// Shared with each watch. A watch does not keep the store open.
    pub(crate) hub: Arc<Hub>,
}

impl Stages for Watchers {
    fn publish(&self, _: &Group<'_>, member: &Member<'_>) {
        if self.hub.is_watched() {
            self.hub.publish(member.sequence, &member.writes());
        }
    }

    fn publish_keyspace(&self, event: KeyspaceEvent, keyspace: &KeyspaceInfo, sequence: u64) {
        let kind = match event {
            KeyspaceEvent::Created => KeyspaceChangeKind::Created,
            KeyspaceEvent::Dropped => KeyspaceChangeKind::Dropped,
        };
        let event = WatchedKeyspace { sequence, keyspace: Arc::clone(&keyspace.name), kind };
        self.hub.publish_keyspace(keyspace.id, &event);
    }

    /// Ends all watches, since nothing more will be committed.
    fn fail(&self) {
        self.hub.fail();
    }

    fn after_commit(&self) {
        self.hub.wake();
    }
}
