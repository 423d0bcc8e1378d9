//! `cas`: changes a key if its value is as expected.

use crate::arguments::Cas;
use crate::exit::{Failure, Outcome};
use crate::open::{self, Access, Target};
use crate::text;
use strongroom::{Row, Swap};

pub(super) fn run(arguments: &Cas) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let new = text::argument("NEW", &arguments.new)?;
    // `None` means `--absent`: clap requires one of the two.
    let expected = arguments.expected.value.as_ref();
    let expected = expected.map(|value| text::argument("--expect", value)).transpose()?;
    let name = &arguments.keyspace.name;
    // A value can only be expected in an existing store.
    let access = if expected.is_some() { Access::Change } else { Access::Create };
    let target = Target::of(&arguments.store.url, access)?.committing(arguments.durability.asked());
    // Checked before the store is opened: a mistake must not leave a new, empty store.
    target.limits().check_key(&key)?;
    target.limits().check_value(&new)?;
    open::check_name(name)?;
    let store = target.open()?;
    let keyspace = match expected {
        Some(_) => open::keyspace(&store, name)?,
        None => store.create_keyspace(name)?,
    };
    match keyspace.compare_and_swap(&key, expected.as_deref(), Some(&new))? {
        Swap::Swapped(_) => open::settle(&store),
        Swap::Refused(found) => Err(refused(expected.is_some(), found.as_ref(), &key, name)),
    }
}

/// The failure of a condition. It contains no values: they may be long or confidential.
fn refused(is_value_expected: bool, found: Option<&Row>, key: &[u8], keyspace: &str) -> Failure {
    let key = text::quoted(key);
    let (found, remedy) = match (is_value_expected, found) {
        (false, _) => (format!("the key {key} exists already"), "--expect changes its value"),
        (true, None) => (format!("the key {key} does not exist"), "--absent stores a first value"),
        (true, Some(_)) => (format!("the value of {key} is not as expected"), "`strongroom get` prints it"),
    };
    Failure::condition(format_args!("{found} in keyspace {keyspace:?}, and nothing was changed; {remedy}"))
}
