//! `put`, `get` and `delete`: one key.

use super::open::{self, Access};
use super::{Output, Target};
use crate::arguments::{Delete, Get, Put};
use crate::exit::{Failure, Outcome};
use crate::text;
use std::io::{IsTerminal as _, stdout};

pub(super) fn put(arguments: &Put) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let value = text::argument("VALUE", &arguments.value)?;
    let target = Target::of(&arguments.store.url, Access::Create)?.committing(arguments.durability.asked());
    // All before the store is opened: a mistake must not leave a new, empty store behind.
    target.limits().check_key(&key)?;
    target.limits().check_value(&value)?;
    open::check_name(&arguments.keyspace.name)?;
    let store = target.open()?;
    store.create_keyspace(&arguments.keyspace.name)?.set(key, value)?;
    open::settle(&store)
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
