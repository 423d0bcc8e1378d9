//! Time to live: a row is absent from its expiry on.
//!
//! The expiry of a row is in its envelope. From that time on the row is absent for every read, scan and
//! condition, whether it is still on disk or not. To find expired rows without reading everything, each commit of
//! an expiring row also writes an entry of an [index](crate::format::expiry_index), in the same atomic batch
//! (invariant 14). A [`sweep`] reads the entries that are due, in bounded steps, and removes the rows that have
//! expired.
//!
//! Rewriting a row does not remove its old entry, which saves each write a read. The times of entries are
//! rounded, so that a row has a bounded number of them. Deleting a row reads it first, in a keyspace whose rows may
//! expire, and removes its newest entry: rows that come and go leave nothing in the index.

pub(crate) mod sweep;

use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::format::expiry_index;
use crate::request::{Answer, DueEntry, Expiry, Request};
use crate::stage::{Cause, ComputedWrite, Group, Member, Stages};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::worker::Alarm;
use std::collections::HashSet;
use std::time::Duration;
use strongroom_core::{KeyspaceId, Op, Result};

/// The feature: sets expiries, maintains the index, and wakes the sweep.
pub(crate) struct Expiries {
    pub(crate) alarm: Alarm,
    /// A lower bound: as far as is known, no entry is due before.
    next_ms: AtomicU64,
    rows: AtomicU64,
    failures: AtomicU64,
}

impl Expiries {
    /// Sweeps at most once per `sweep_interval_ms`. 0 means only on request.
    pub(crate) fn new(sweep_interval_ms: u64) -> Self {
        let alarm = Alarm::new(Duration::from_millis(sweep_interval_ms));
        // An earlier session may have left rows that have expired by now.
        alarm.set();
        Self { alarm, next_ms: AtomicU64::new(0), rows: AtomicU64::new(0), failures: AtomicU64::new(0) }
    }

    /// Whether the store has a sweeping thread.
    pub(crate) fn sweeps_by_itself(&self) -> bool {
        !self.alarm.interval().is_zero()
    }

    /// Returns how many rows sweeps have removed.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Returns how many sweeps have failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Schedules a sweep for an entry that is due at `time_ms`.
    fn arm(&self, time_ms: u64) {
        self.next_ms.fetch_min(time_ms, Ordering::AcqRel);
        self.alarm.set();
    }
}

impl Stages for Expiries {
    fn prepare(&self, _: &Base, request: &Request) -> Result<()> {
        request.expiries.iter().try_for_each(|(_, expiry)| expiry.check())
    }

    fn draft(&self, group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
        set_expiries(group, member)?;
        remove_entries_of_deleted(group, member)?;
        if !member.request.due.is_empty() {
            remove_expired(group, member)?;
        }
        Ok(())
    }

    fn add_rows(&self, group: &mut Group<'_>, member: &Member<'_>) {
        let Some(own) = group.base.own_keyspace().filter(|_| member.has_expiring_rows()) else { return };
        let now_ms = group.now_ms();
        let mut announced: Vec<&KeyspaceInfo> = Vec::new();
        for write in member.writes() {
            let Some(at_ms) = write.expires_at_ms else { continue };
            let keyspace = write.keyspace;
            // Invariant 14: with the row, in one batch.
            let time_ms = expiry_index::entry_time_ms(at_ms, now_ms);
            expiry_index::put(&mut group.batch, own, time_ms, &keyspace.name, write.key);
            if announced.iter().any(|other| other.id == keyspace.id) {
                continue;
            }
            announced.push(keyspace);
            // Readers check for expiry before there is such a row. `note_stored` waits for the engine's
            // acknowledgement.
            keyspace.settings.note_may_expire();
            group.base.time.note_expiring_rows();
            if !keyspace.settings.is_stored() {
                keyspace.settings.put_expiring(&mut group.batch, own, &keyspace.name);
            }
        }
    }

    fn publish(&self, group: &Group<'_>, member: &Member<'_>) {
        if !member.has_expiring_rows() {
            return;
        }
        let mut first_ms = u64::MAX;
        for write in member.writes() {
            if let Some(at_ms) = write.expires_at_ms {
                first_ms = first_ms.min(expiry_index::entry_time_ms(at_ms, group.now_ms()));
                write.keyspace.settings.note_stored();
            }
        }
        if first_ms < u64::MAX {
            self.arm(first_ms);
        }
    }
}

/// Sets when each operation's row expires. Keeps nothing if none can.
fn set_expiries(group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
    let request = member.request;
    let has_default = member.keyspaces().iter().any(|info| info.settings.default_ttl_ms().is_some());
    if request.expiries.is_empty() && !has_default {
        return Ok(());
    }
    let mut asked = request.expiries.iter().peekable();
    let mut expiries = Vec::with_capacity(request.ops.len());
    for (place, (slot, op)) in request.ops.ops().enumerate() {
        let expiry = asked.next_if(|(at, _)| *at == place).map_or(Expiry::Default, |(_, expiry)| *expiry);
        expiries.push(match op {
            Op::Put { .. } => group.expires_at_ms(&member.keyspaces()[slot], expiry)?,
            Op::Delete { .. } => None,
        });
    }
    member.set_expiries(expiries);
    Ok(())
}

/// Removes the index entries of the rows that the request deletes. Sealed before new entries are added, so a row that is
/// deleted and set again in one commit has its entry.
fn remove_entries_of_deleted(group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
    let request = member.request;
    if !member.keyspaces().iter().any(|info| info.settings.may_expire()) {
        return Ok(());
    }
    for (slot, op) in request.ops.ops() {
        let Op::Delete { key } = op else { continue };
        let keyspace = Arc::clone(&member.keyspaces()[slot]);
        if !keyspace.settings.may_expire() {
            continue;
        }
        let at_ms = match group.row(&keyspace, key) {
            Ok(row) => row.and_then(|(meta, _)| meta.expires_at_ms),
            Err(error) if crate::base::ends_the_handle(&error) => return Err(error),
            // A damaged row can be deleted. Its entry stays until it is due.
            Err(_) => None,
        };
        let Some(at_ms) = at_ms else { continue };
        for time_ms in expiry_index::entry_times_after(at_ms, group.now_ms()) {
            member.set_own_row(expiry_index::entry(time_ms, &keyspace.name, key).0, None);
        }
    }
    Ok(())
}

/// Removes the entries that are due, and their rows if those have expired.
fn remove_expired(group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
    // A row may have several entries. It is removed, counted and published once.
    let mut expired: HashSet<&(KeyspaceId, Vec<u8>)> = HashSet::new();
    for entry in &member.request.due {
        match read_due(group, entry) {
            Ok(Due::Obsolete) => member.set_own_row(entry.index_key.clone(), None),
            Ok(Due::Later(key, value)) => {
                member.set_own_row(entry.index_key.clone(), None);
                member.set_own_row(key, Some(value));
            }
            Ok(Due::Expired(keyspace, key)) => {
                member.set_own_row(entry.index_key.clone(), None);
                if !entry.row.as_ref().is_some_and(|row| expired.insert(row)) {
                    continue;
                }
                let cause = Cause::Expired;
                member.compute(ComputedWrite { keyspace, key, value: None, expires_at_ms: None, cause });
            }
            Err(error) if crate::base::ends_the_handle(&error) => return Err(error),
            // The row cannot be read now. It stays with its entry, and other rows are removed.
            Err(_) => {}
        }
    }
    member.answer = Answer::Expired(expired.len() as u64);
    Ok(())
}

/// What to do about an entry that is due.
enum Due {
    /// Remove it. Its row is absent, never expires, or has another entry.
    Obsolete,
    /// Replace it by this entry, with the exact time: its row expires later.
    Later(Vec<u8>, Vec<u8>),
    /// Remove it with this row, which has expired.
    Expired(Arc<KeyspaceInfo>, Vec<u8>),
}

fn read_due(group: &Group<'_>, entry: &DueEntry) -> Result<Due> {
    let Some((keyspace, key)) = &entry.row else { return Ok(Due::Obsolete) };
    let Ok(keyspace) = group.base.catalog.info(*keyspace) else { return Ok(Due::Obsolete) };
    let Some((meta, _)) = group.row(&keyspace, key)? else { return Ok(Due::Obsolete) };
    let Some(at_ms) = meta.expires_at_ms else { return Ok(Due::Obsolete) };
    if meta.has_expired_by(group.now_ms()) {
        return Ok(Due::Expired(keyspace, key.clone()));
    }
    let time_ms = expiry_index::time_ms_of(&entry.index_key);
    if !expiry_index::entry_times_ms(at_ms).any(|other_ms| Some(other_ms) == time_ms) {
        // The row was rewritten since, and has another entry.
        return Ok(Due::Obsolete);
    }
    let (index_key, value) = expiry_index::entry(at_ms, &keyspace.name, key);
    Ok(Due::Later(index_key, value))
}
