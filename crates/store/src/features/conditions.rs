//! Conditions of a batch: a key is absent, is present, has this value, or has this version. The leader validates
//! them against the state after the members before, as a reader would see it.

use crate::base::Base;
use crate::request::{Condition, Request};
use crate::stage::{Group, Stages};
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, Result};

pub(crate) struct Conditions;

impl Stages for Conditions {
    fn prepare(&self, base: &Base, request: &Request) -> Result<()> {
        let keys = request.conditions.iter().map(|condition| &condition.key);
        keys.into_iter().try_for_each(|key| check_key_against(key, base.options.key_bytes_max))
    }

    fn validate(&self, group: &Group<'_>, request: &Request) -> Result<()> {
        for (place, condition) in request.conditions.iter().enumerate() {
            if !holds(group, condition)? {
                let all = request.conditions.len();
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("condition {} of {all} does not hold", place + 1),
                ));
            }
        }
        Ok(())
    }
}

fn holds(group: &Group<'_>, condition: &Condition) -> Result<bool> {
    let keyspace = group.base.catalog.info(condition.keyspace)?;
    let found = group.live_row(&keyspace, &condition.key)?;
    Ok(condition.expect.holds(found.as_ref().map(|(meta, value)| (*meta, &value[..]))))
}
