//! `incr`: adds to a number.

use crate::arguments::Incr;
use crate::exit::Outcome;
use crate::open::{self, Access, Target};
use crate::output::print;
use crate::text;

pub(super) fn run(arguments: &Incr) -> Outcome {
    let key = text::argument("KEY", &arguments.key)?;
    let target = Target::of(&arguments.store.url, Access::Create)?.committing(arguments.durability.asked());
    // Checked before the store is opened: a mistake must not leave a new, empty store.
    target.limits().check_key(&key)?;
    open::check_name(&arguments.keyspace.name)?;
    let store = target.open()?;
    let number = store.create_keyspace(&arguments.keyspace.name)?.increment(key, arguments.by)?;
    // Flush before printing: a printed number must not be lost.
    open::settle(&store)?;
    print(format!("{number}\n"))
}
