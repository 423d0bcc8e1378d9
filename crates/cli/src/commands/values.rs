//! `put`, `get` and `delete`: commands on one key.

use crate::arguments::{Delete, Get, Put};
use crate::exit::{Failure, Outcome};
use crate::open::{self, Access, Target};
use crate::output::Output;
use crate::text;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;
use strongroom::Clock;

pub(super) fn put(arguments: &Put) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let value = text::argument("VALUE", &arguments.value)?;
    let target = Target::of(&arguments.store.url, Access::Create)?.committing(arguments.durability.asked());
    // Checked before the store is opened: a mistake must not leave a new, empty store.
    target.limits().check_key(&key)?;
    target.limits().check_value(&value)?;
    arguments.ttl.map_or(Ok(()), check_time_to_live)?;
    open::check_name(&arguments.keyspace.name)?;
    let store = target.open()?;
    let keyspace = store.create_keyspace(&arguments.keyspace.name)?;
    match arguments.ttl {
        Some(time_to_live) => keyspace.set_with_ttl(key, value, time_to_live)?,
        None => keyspace.set(key, value)?,
    }
    open::settle(&store)
}

/// Makes the store's own check before a store is created.
fn check_time_to_live(time_to_live: Duration) -> Outcome {
    if time_to_live.is_zero() {
        return Err(Failure::bad_input(
            "--ttl is zero, so the row would expire at once; give a time such as 90s, or leave --ttl out",
        ));
    }
    let end = u64::try_from(time_to_live.as_millis())
        .ok()
        .and_then(|milliseconds| Clock::system().now_ms().checked_add(milliseconds));
    match end {
        Some(_) => Ok(()),
        None => Err(Failure::bad_input(
            "--ttl overflows the clock; give a shorter time, or leave --ttl out to keep the row",
        )),
    }
}

pub(super) fn get(arguments: &Get) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let target = Target::of(&arguments.store.url, Access::Read)?;
    target.limits().check_key(&key)?;
    let store = target.open()?;
    let keyspace = open::keyspace(&store, &arguments.keyspace.name)?;
    let value = keyspace.get(&key)?.ok_or_else(|| {
        let keyspace = keyspace.name();
        Failure::not_found(format_args!("there is no key {} in keyspace {keyspace:?}", text::quoted(&key)))
    })?;
    let mut output = Output::open();
    output.write(&value)?;
    if stdout().is_terminal() {
        output.write(b"\n")?;
    }
    output.finish()
}

pub(super) fn delete(arguments: &Delete) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let target = Target::of(&arguments.store.url, Access::Change)?.committing(arguments.durability.asked());
    target.limits().check_key(&key)?;
    let store = target.open()?;
    open::keyspace(&store, &arguments.keyspace.name)?.delete(&key)?;
    open::settle(&store)
}
