//! `digest`, `keyspaces`, `stats` and `compact`: a store as a whole.

use super::open::{self, Access};
use crate::arguments::{Compact, Digest, Keyspaces, Stats};
use crate::exit::Outcome;
use indicatif::HumanBytes;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use strongroom::Store;

pub(super) fn digest(arguments: &Digest) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Read)?;
    super::print(format!("{}\n", store.digest()?))
}

pub(super) fn keyspaces(arguments: &Keyspaces) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Read)?;
    let names = store.keyspaces();
    if arguments.json {
        return super::print_json(&json!(names));
    }
    super::print(names.into_iter().map(|name| name + "\n").collect::<String>())
}

pub(super) fn stats(arguments: &Stats) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Read)?;
    let text = if arguments.json { format!("{:#}\n", as_json(&store)?) } else { as_text(&store)? };
    super::print(text)
}

/// Of what is counted from the opening on, that which an application watches is named too, so that its figures and
/// these have the same names; a command that has just opened the store has seen nothing yet.
fn as_json(store: &Store) -> Outcome<Value> {
    let counted = store.stats()?;
    let stats = counted.backend;
    let figures: Map<String, Value> =
        stats.engine.into_iter().map(|(name, figure)| (name, figure.into())).collect();
    Ok(json!({
        "engine": store.engine().name,
        "engine_version": store.engine().version,
        "store": store.id().map(|id| id.to_string()),
        "path": store.path().map(|path| path.display().to_string()),
        "keyspaces": store.keyspaces().len(),
        "disk_bytes": stats.disk_bytes,
        "cache_bytes": stats.cache_bytes,
        "conflicts": counted.conflicts,
        "expired_rows": counted.expired_rows,
        "sweep_failures": counted.sweep_failures,
        "engine_figures": figures,
    }))
}

fn as_text(store: &Store) -> Outcome<String> {
    let counted = store.stats()?;
    let stats = counted.backend;
    let size = |bytes: Option<u64>| match bytes {
        Some(bytes) => format!("{} ({bytes} bytes)", HumanBytes(bytes)),
        None => "unknown".to_owned(),
    };
    let mut lines = vec![
        ("engine".to_owned(), format!("{} {}", store.engine().name, store.engine().version)),
        ("store".to_owned(), store.id().map_or("-".to_owned(), |id| id.to_string())),
        ("path".to_owned(), store.path().map_or("-".to_owned(), |path| path.display().to_string())),
        ("keyspaces".to_owned(), store.keyspaces().len().to_string()),
        ("on disk".to_owned(), size(stats.disk_bytes)),
        ("cache".to_owned(), size(stats.cache_bytes)),
        ("conflicts".to_owned(), counted.conflicts.to_string()),
        ("expired rows".to_owned(), counted.expired_rows.to_string()),
        ("sweep failures".to_owned(), counted.sweep_failures.to_string()),
    ];
    lines.extend(stats.engine.into_iter().map(|(name, figure)| (name, figure.to_string())));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to memory does not fail.
        let _ = writeln!(text, "{name:width$}  {value}");
    }
    Ok(text)
}

pub(super) fn compact(arguments: &Compact) -> Outcome {
    let store = open::open(&arguments.store.url, Access::Change)?;
    let before = store.stats()?.backend.disk_bytes;
    store.compact()?;
    let after = store.stats()?.backend.disk_bytes;
    match before.zip(after) {
        Some((before, after)) => {
            super::print(format!("{} before, {} after\n", HumanBytes(before), HumanBytes(after)))
        }
        None => Ok(()),
    }
}
