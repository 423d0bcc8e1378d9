//! Counters: the leader does the addition, so that many concurrent increments of one key share a sync and none is
//! retried.

use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::format::counter;
use crate::request::{Addition, Answer, Expiry, Request};
use crate::stage::{Cause, ComputedWrite, Group, Member, Stages};
use strongroom_core::Result;

pub(crate) struct Counters;

impl Stages for Counters {
    fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
        request.additions.iter().try_for_each(|addition| base.catalog.check(addition.keyspace))
    }

    fn draft(&self, group: &Group<'_>, member: &mut Member<'_>) -> Result<()> {
        for addition in &member.request.additions {
            let keyspace = group.base.catalog.info(addition.keyspace)?;
            let (sum, expires_at_ms) = add(group, &keyspace, addition)?;
            member.answer = Answer::Sum(sum);
            member.compute(ComputedWrite {
                keyspace,
                key: addition.key.clone(),
                value: Some(counter::encode(sum)),
                expires_at_ms,
                cause: Cause::Request,
            });
        }
        Ok(())
    }
}

/// Returns the sum, and when its row expires.
fn add(group: &Group<'_>, keyspace: &KeyspaceInfo, addition: &Addition) -> Result<(i64, Option<u64>)> {
    let by = addition.by;
    if addition.is_permanent {
        // A permanent counter continues from an expired value, so that its numbers never repeat.
        let found = group.row(keyspace, &addition.key)?;
        return Ok((found.map_or(Ok(by), |(_, value)| counter::add(&value, by))?, None));
    }
    match group.live_row(keyspace, &addition.key)? {
        Some((meta, value)) => Ok((counter::add(&value, by)?, meta.expires_at_ms)),
        None => Ok((by, group.expires_at_ms(keyspace, Expiry::Default)?)),
    }
}
