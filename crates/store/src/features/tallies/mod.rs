//! Tallies: a store that is created with [`Integrity::Full`](crate::Integrity::Full) keeps a row count and a
//! multiset hash for each keyspace, in a [`ledger`] that each commit updates.
//!
//! A checksum in a row shows that the row itself is intact. It cannot show that another row is missing.

pub(crate) mod ledger;
mod root;

use crate::stage::{Group, Stages};
use crate::sync::RwLock;
use ledger::Ledger;
use strongroom_core::Result;

/// The feature: counts what each group changes.
pub(crate) struct Tallies {
    /// None if the store has only its checksums.
    pub(crate) ledger: Option<Ledger>,
    /// Checkpoints hold it shared, changes of keyspaces exclusive: a keyspace that is dropped during a checkpoint
    /// could be in the copy's tallies and not in the copy. Acquired before all other locks.
    pub(crate) structure: RwLock<()>,
}

impl Tallies {
    pub(crate) fn new(ledger: Option<Ledger>) -> Self {
        Self { ledger, structure: RwLock::default() }
    }
}

impl Stages for Tallies {
    fn finish_draft(&self, group: &mut Group<'_>) -> Result<()> {
        let Some(ledger) = self.ledger else { return Ok(()) };
        let base = group.base;
        base.count_damage(ledger.add_tallies(base, &mut group.batch))
    }
}
