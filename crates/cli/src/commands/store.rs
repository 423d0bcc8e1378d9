//! `digest`, `keyspaces`, `stats` and `compact`: commands on a whole store.

use super::admin;
use crate::arguments::{Compact, Digest, Keyspaces, Stats};
use crate::exit::Outcome;
use crate::open::{self, Access, Target};
use crate::output::{print, print_json};
use indicatif::{HumanBytes, HumanDuration};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::Duration;
use strongroom::ErrorKind;
use strongroom::admin::AdminStats;

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

pub(super) fn stats(arguments: &Stats) -> Outcome {
    let stats = figures(arguments)?;
    let text = if arguments.json { format!("{:#}\n", as_json(stats)) } else { as_text(stats) };
    print(text)
}

/// The figures of the process that has the store open, if it has an admin socket. They take precedence even if the
/// engine allows a concurrent reader, because only that process has counted anything.
fn figures(arguments: &Stats) -> Outcome<AdminStats> {
    let target = Target::of(&arguments.store.url, Access::Read)?;
    let socket = arguments.socket.path.as_deref();
    let unreachable = match admin::connect(&target, socket) {
        Ok(client) => {
            let stats = client.stats()?;
            admin::check_engine(&target, &stats.engine)?;
            return Ok(stats);
        }
        Err(unreachable) if socket.is_some() => return Err(unreachable),
        Err(unreachable) => unreachable,
    };
    let store = target.open().map_err(|failure| match (failure.kind(), unreachable.kind()) {
        (Some(ErrorKind::Locked), Some(ErrorKind::NotFound)) => failure.and_also(
            "an application that opens an admin socket (AdminSocket::open) reports its figures while it runs",
        ),
        (Some(ErrorKind::Locked), _) => failure.and_also(unreachable.line()),
        _ => failure,
    })?;
    Ok(AdminStats::of(&store)?)
}

/// Includes the counters that an application watches, under the same names as in its own figures. They count from the
/// opening of the store.
fn as_json(stats: AdminStats) -> Value {
    let figures: Map<String, Value> =
        stats.engine_figures.into_iter().map(|(name, figure)| (name, figure.into())).collect();
    json!({
        "engine": stats.engine,
        "engine_version": stats.engine_version,
        "store": stats.store,
        "path": stats.path,
        "keyspaces": stats.keyspaces,
        "disk_bytes": stats.disk_bytes,
        "cache_bytes": stats.cache_bytes,
        "conflicts": stats.conflicts,
        "damaged_rows": stats.damaged_rows,
        "readers_open": stats.readers_open,
        "oldest_reader_ms": stats.oldest_reader_ms,
        "oldest_reader": stats.oldest_reader,
        "expired_rows": stats.expired_rows,
        "sweep_failures": stats.sweep_failures,
        "engine_figures": figures,
    })
}

fn as_text(stats: AdminStats) -> String {
    let size = |bytes: Option<u64>| match bytes {
        Some(bytes) => format!("{} ({bytes} bytes)", HumanBytes(bytes)),
        None => "unknown".to_owned(),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let oldest = match (stats.oldest_reader, stats.oldest_reader_ms) {
        (Some(reader), Some(age_ms)) => {
            format!("{}, {reader}", HumanDuration(Duration::from_millis(age_ms)))
        }
        _ => "-".to_owned(),
    };
    let mut lines = vec![
        ("engine".to_owned(), format!("{} {}", stats.engine, stats.engine_version)),
        ("store".to_owned(), or_dash(stats.store)),
        ("path".to_owned(), or_dash(stats.path)),
        ("keyspaces".to_owned(), stats.keyspaces.to_string()),
        ("on disk".to_owned(), size(stats.disk_bytes)),
        ("cache".to_owned(), size(stats.cache_bytes)),
        ("conflicts".to_owned(), stats.conflicts.to_string()),
        ("damaged rows".to_owned(), stats.damaged_rows.to_string()),
        ("open readers".to_owned(), stats.readers_open.to_string()),
        ("oldest reader".to_owned(), oldest),
        ("expired rows".to_owned(), stats.expired_rows.to_string()),
        ("sweep failures".to_owned(), stats.sweep_failures.to_string()),
    ];
    lines.extend(stats.engine_figures.into_iter().map(|(name, figure)| (name, figure.to_string())));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to memory does not fail.
        let _ = writeln!(text, "{name:width$}  {value}");
    }
    text
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
