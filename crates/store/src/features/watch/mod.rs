//! Watching: commits, in the order in which they were made, as they happen.
//!
//! The leader publishes each commit when the engine has acknowledged it at the durability that was asked for, before the
//! next group begins (invariant 15). So events come in commit order, and none comes for a commit that failed. A watcher
//! has a bounded buffer of its own: nobody waits for one that does not read, and it is told how many events it missed.

pub(crate) mod channel;
pub(crate) mod event;
pub(crate) mod hub;

use crate::catalog::KeyspaceInfo;
use crate::stage::{Group, KeyspaceEvent, Member, Stages};
use crate::sync::Arc;
use event::{KeyspaceChangeKind, WatchedKeyspace};
use hub::Hub;

/// The feature: it hands commits to the watchers.
#[derive(Default)]
pub(crate) struct Watchers {
    /// Shared with each watch, which does not keep the store open.
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

    /// Whoever watches has to learn that nothing more will come.
    fn fail(&self) {
        self.hub.fail();
    }

    fn after_commit(&self) {
        self.hub.wake();
    }
}
