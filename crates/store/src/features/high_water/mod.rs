//! The high-water mark: it reveals that the newest commits are missing, which no checksum can.
//!
//! It has two halves. One is a row of the store's own ([`high_water_row`]) with the sequence number of the commit
//! that wrote it. The other is a [file](crate::directory::mark_file) next to the engine's files. The file gets
//! the same number, but only after the engine has acknowledged that commit as durable. So the file is never ahead
//! of the engine (invariant 9), and an engine whose row lags behind the file has lost commits that it had
//! acknowledged.
//!
//! Marking is not part of a commit, which would then need a second sync. A thread marks at most once per
//! [`HIGH_WATER_LAG_MS`](mark::HIGH_WATER_LAG_MS) while there are durable commits that are not marked, and
//! closing the store marks the rest. If a session was not closed, the next one that may write marks the commits
//! of that session. A loss of commits that are newer than the mark is not noticed. Buffered commits are marked
//! only after a power-safe commit, a flush or the closing: until then an engine may lose them.

pub(crate) mod mark;
pub(crate) mod recovery;

use crate::base::Base;
use crate::format::high_water_row;
use crate::request::{Commit, Purpose};
use crate::stage::{Group, Member, Stages};
use mark::Mark;
use recovery::Accepted;

/// The feature: tracks which commits are durable, and marks them.
#[derive(Default)]
pub(crate) struct HighWater {
    /// None if the store is in memory, is read-only, or has a format without a mark.
    pub(crate) mark: Option<Mark>,
    /// The lost tail that the caller has accepted. Only for a read-only store, which gets no new mark.
    pub(crate) accepted: Option<Accepted>,
}

impl Stages for HighWater {
    fn add_rows(&self, group: &mut Group<'_>, member: &Member<'_>) {
        if let Purpose::HighWater { is_last } = member.request.purpose
            && let Some(own) = group.base.own_keyspace()
        {
            high_water_row::put(&mut group.batch, own, member.sequence);
            if is_last {
                group.give_back_sequences();
            }
        }
    }

    fn publish(&self, group: &Group<'_>, member: &Member<'_>) {
        // Commits of the high-water row need no mark.
        if let Some(mark) = &self.mark
            && member.request.purpose == Purpose::Application
        {
            mark.note_commits(member.sequence, group.durability);
        }
    }
}

impl HighWater {
    /// Marks all commits so far, if any is not marked.
    pub(crate) fn mark(&self, base: &Base, pipeline: &dyn Commit) {
        if let Some(mark) = &self.mark {
            mark.mark(base, pipeline);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::directory::mark_file::{self as file, Reading, Slot};
    use crate::{Store, StoreOptions};
    use strongroom_core::{Marked, MemoryOptions, Options, TypedOptions as _};
    use strongroom_testkit::PretendBackend;

    #[test]
    fn a_failed_write_of_the_file_is_counted_and_fails_no_commit() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(PretendBackend::new(&directory).unwrap(), StoreOptions::new()).unwrap();
        let rows = store.default_keyspace().unwrap();
        let high_water = store.pipeline().features.high_water.mark.as_ref().unwrap();
        rows.set("a", "1").unwrap();
        store.pipeline().mark();
        let marked = high_water.marked();
        drop(high_water.file.lock().unwrap().break_handle());
        for key in ["b", "c"] {
            rows.set(key, "1").unwrap();
            store.pipeline().mark();
        }
        // Only the first mark was tried. After its failure nothing is marked until the store is reopened.
        assert_eq!(store.stats().unwrap().high_water_failures, 1);
        assert_eq!(high_water.marked(), marked);
        drop((rows, store));
        let options = MemoryOptions::from_options(&Options::new().marked(Marked::Writable)).unwrap();
        let backend = PretendBackend::open(&directory, options).unwrap();
        assert!(
            Store::new(backend, StoreOptions::new()).unwrap().default_keyspace().unwrap().has("c").unwrap()
        );
    }

    #[test]
    fn a_mark_whose_counter_is_at_its_maximum_is_replaced_if_the_loss_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let reopened = |options: StoreOptions| {
            let engine = MemoryOptions::from_options(&Options::new().marked(Marked::Writable)).unwrap();
            Store::new(PretendBackend::open(path, engine).unwrap(), options).unwrap()
        };
        let store = Store::new(PretendBackend::new(path).unwrap(), StoreOptions::new()).unwrap();
        store.default_keyspace().unwrap().set("a", "1").unwrap();
        let id = store.id().unwrap();
        drop(store);
        let Reading::Mark { sequence, .. } = file::read(path, id).unwrap() else { panic!() };
        let slot = Slot { counter: u64::MAX, sequence }.seal(id);
        let name = path.join(file::file_name());
        let mut bytes = std::fs::read(&name).unwrap();
        bytes[..slot.len()].copy_from_slice(&slot);
        std::fs::write(&name, &bytes).unwrap();

        let write_and_mark = |store: &Store| {
            store.default_keyspace().unwrap().set("b", "1").unwrap();
            store.pipeline().mark();
            store.stats().unwrap().high_water_failures
        };
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 1, "it cannot be written");
        assert_eq!(write_and_mark(&reopened(StoreOptions::new().accept_lost_tail(true))), 0);
        assert_eq!(write_and_mark(&reopened(StoreOptions::new())), 0, "the mark is new");
    }
}
