//! What surrounds an engine's `apply`: limits, conditions, tokens, and the classification of errors.

use super::shared::Shared;
use super::snapshot::GuardedSnapshot;
use crate::backend::Snapshot;
use crate::batch::{CommitToken, Condition, WriteBatch};
use crate::durability::Durability;
use crate::engine::{Engine, EngineBatch};
use crate::keyspace::{KeyspaceHints, KeyspaceId};
use crate::packed::batch::Packing;
use crate::range::{KeyRange, Scan};
use crate::sync::{read, write};
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The keyspace of the tokens of committed batches: the token is the key, the value is empty.
const TOKENS_KEYSPACE: &str = "_tokens";

/// Limits of one step of `delete_range`.
const DELETE_STEP_KEYS: usize = 1_000;
const DELETE_STEP_BYTES: usize = 256 * 1_024;

impl<E: Engine> Shared<E> {
    pub(super) fn check_writable(&self) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "the handle is read-only")
            .hint("open it without read_only; a directory marked as a store is written through a store"))
    }

    pub(super) fn check_claim(&self, durability: Durability) -> Result<()> {
        if durability == Durability::Buffered || self.info.capabilities.power_safe {
            return Ok(());
        }
        let because = if self.info.unclaimed.is_empty() { "" } else { ": " };
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the engine does not claim that a commit survives a power cut{because}{}",
                self.info.unclaimed
            ),
        )
        .hint("set durability=buffered explicitly, or choose another engine"))
    }

    pub(super) fn commit(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        self.health.check("commit")?;
        self.check_writable()?;
        self.check_claim(durability)?;
        self.info.batch.check(self.info.name, batch.len(), batch.bytes())?;
        batch.check()?;
        // Next to a sync this check costs nothing. For buffered commits the later flush does it.
        if durability == Durability::PowerSafe {
            self.check_home()?;
        }
        match batch.token() {
            None => self.commit_in_turn(batch, durability),
            Some(token) => self.commit_once(batch, durability, token),
        }
    }

    fn commit_in_turn(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        // No condition has to hold until the batch is applied, so the engine may order such commits itself.
        if E::CONCURRENT_COMMITS && batch.conditions().is_empty() {
            let _shared = read(&self.commit_turn);
            return self.apply(batch, durability);
        }
        // Invariant 1: one commit at a time, so that conditions hold until the batch is applied.
        let _exclusive = write(&self.commit_turn);
        self.validate(batch.conditions())?;
        self.apply(batch, durability)
    }

    fn commit_once(&self, batch: &WriteBatch, durability: Durability, token: CommitToken) -> Result<()> {
        let tokens = self.create_keyspace(TOKENS_KEYSPACE, KeyspaceHints::default())?;
        let mut named = batch.clone();
        named.put(tokens, &token.0, b"");
        let _exclusive = write(&self.commit_turn);
        if self.get(tokens, &token.0)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "a batch with this token was committed before")
                .hint("it is stored; nothing to do"));
        }
        self.validate(batch.conditions())?;
        self.apply(&named, durability)
    }

    fn validate(&self, conditions: &[Condition]) -> Result<()> {
        for (place, condition) in conditions.iter().enumerate() {
            let found = self.get(condition.keyspace, &condition.key)?;
            if !condition.expect.holds(found.as_deref()) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("condition {} of {} does not hold", place + 1, conditions.len()),
                ));
            }
        }
        Ok(())
    }

    fn apply(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let slots = batch.keyspaces().iter().map(|id| self.keyspaces.get(*id));
        let (mut handles, mut packing) = (Vec::with_capacity(slots.len()), None);
        let mut is_packed = false;
        for slot in slots.clone() {
            let placed = &slot?.placed;
            is_packed |= placed.id().is_some();
            handles.push(placed.table().clone());
        }
        if is_packed {
            let places = slots.map(|slot| Ok(slot?.placed.place())).collect::<Result<Vec<_>>>()?;
            let (needed, packed) = Packing::of(batch, &places);
            handles = needed.into_iter().map(|keyspace| handles[keyspace].clone()).collect();
            packing = Some(packed);
        }
        if batch.is_empty() {
            // Nothing to apply, but a power-safe commit also makes the earlier ones durable.
            if durability == Durability::PowerSafe {
                self.health.change("flush", || self.engine.flush())?;
            }
        } else {
            let engine_batch = EngineBatch::new(batch, &handles, packing.as_ref());
            let _change = self.view.begin_change();
            self.health.try_change("commit", || self.engine.apply(&engine_batch, durability))?;
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        if durability == Durability::PowerSafe {
            self.power_safe_commits.fetch_add(1, Ordering::Relaxed);
        }
        self.remove_after_commit(batch.len());
        Ok(())
    }

    pub(super) fn committed(&self, token: CommitToken) -> Result<bool> {
        // Before the lookup: after a failed commit, "no such token" would be a guess.
        self.health.check("committed")?;
        let tokens = self.keyspaces.names().get(TOKENS_KEYSPACE).copied();
        match tokens {
            Some(tokens) => Ok(self.get(tokens, &token.0)?.is_some()),
            None => Ok(false),
        }
    }

    pub(super) fn forget(&self, token: CommitToken) -> Result<()> {
        self.health.check("forget")?;
        let tokens = self.keyspaces.names().get(TOKENS_KEYSPACE).copied();
        let Some(tokens) = tokens else { return Ok(()) };
        let mut batch = WriteBatch::new();
        batch.delete(tokens, &token.0);
        self.commit(&batch, Durability::Buffered)
    }

    pub(super) fn delete_range(
        self: &Arc<Self>,
        keyspace: KeyspaceId,
        range: &KeyRange,
        durability: Durability,
    ) -> Result<u64> {
        self.check_writable()?;
        self.check_claim(durability)?;
        let mut left = range.clone();
        let mut deleted = 0;
        let mut batch = WriteBatch::new();
        loop {
            batch.clear();
            // One snapshot per step: a snapshot over the whole range would make an engine keep all of it.
            let snapshot = GuardedSnapshot::open(self)?;
            let mut cursor = snapshot.cursor(keyspace, Scan::new(left.clone()).keys_only())?;
            while batch.len() < DELETE_STEP_KEYS && batch.bytes() < DELETE_STEP_BYTES && cursor.advance()? {
                batch.delete(keyspace, cursor.key());
                left = left.after_position(cursor.key(), crate::Direction::Forward);
            }
            drop(cursor);
            drop(snapshot);
            if batch.is_empty() {
                return Ok(deleted);
            }
            self.commit(&batch, durability)?;
            deleted += batch.len() as u64;
        }
    }
}
