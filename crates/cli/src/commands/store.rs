//! `digest`, `keyspaces` and `compact`: commands on a whole store.

use crate::arguments::{Compact, Digest, Keyspaces};
use crate::exit::Outcome;
use crate::open::{self, Access};
use crate::output::{print, print_json};
use indicatif::HumanBytes;
use serde_json::json;

pub(super) fn digest(arguments: &Digest) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Read)?;
    print(format!("{}\n", store.digest()?))
}

pub(super) fn keyspaces(arguments: &Keyspaces) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Read)?;
    let names = store.keyspaces();
    if arguments.json {
        return print_json(&json!(names));
    }
    print(names.into_iter().map(|name| name + "\n").collect::<String>())
}

pub(super) fn compact(arguments: &Compact) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Change)?;
    let before = store.stats()?.backend.disk_bytes;
    store.compact()?;
    let after = store.stats()?.backend.disk_bytes;
    match before.zip(after) {
        Some((before, after)) => {
            print(format!("{} before, {} after\n", HumanBytes(before), HumanBytes(after)))
        }
        None => Ok(()),
    }
}
