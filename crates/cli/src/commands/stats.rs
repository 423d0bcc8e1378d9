//! `stats`: the figures of a store, for people and for programs.
//!
//! Both are made from the serialized [`AdminStats`]. So a new figure is in the JSON by itself, and in the text when
//! it is not zero. [`ROWS`] has the order and the labels of the figures that an operator needs.

use super::admin;
use crate::arguments::Stats;
use crate::exit::Outcome;
use crate::open::{Access, Target};
use crate::output::{print, print_json};
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::Duration;
use strongroom::ErrorKind;
use strongroom::admin::AdminStats;

/// A line of the text.
struct Row {
    /// The figure's name in the JSON.
    name: &'static str,
    label: &'static str,
    shown: Shown,
}

/// When a figure is in the text.
enum Shown {
    Always,
    /// If it is known and not zero.
    IfAny,
    /// Always. A value above zero needs attention: the hint says why and what to do.
    Alert(&'static str),
}

const fn row(name: &'static str, label: &'static str, shown: Shown) -> Row {
    Row { name, label, shown }
}

/// The lines of the text, in their order. Figures without a row come after these under their own name, if not zero.
const ROWS: &[Row] = &[
    row("store", "store", Shown::IfAny),
    row("path", "path", Shown::IfAny),
    row("keyspaces", "keyspaces", Shown::Always),
    row("keyspaces_packed", "packed keyspaces", Shown::IfAny),
    row("disk_bytes", "on disk", Shown::IfAny),
    row("cache_bytes", "cache", Shown::IfAny),
    row(
        "damaged_rows",
        "damaged rows",
        Shown::Alert(
            "rows read differ from what was written: run `strongroom verify`, restore from a backup",
        ),
    ),
    row("high_water", "high-water mark", Shown::IfAny),
    row(
        "high_water_failures",
        "mark failures",
        Shown::Alert("lost commits may go unnoticed: check the disk, then reopen the store"),
    ),
    row("commits", "commits", Shown::IfAny),
    row("power_safe_commits", "power-safe commits", Shown::IfAny),
    row("groups", "commit groups", Shown::IfAny),
    row("group_commits", "commits in groups", Shown::IfAny),
    row("conflicts", "conflicts", Shown::Always),
    row("queued_bytes", "commit queue", Shown::IfAny),
    row("readers_open", "open readers", Shown::Always),
    row("oldest_reader", "oldest reader", Shown::IfAny),
    row("readers_expired", "expired readers", Shown::IfAny),
    row("snapshots_open", "engine snapshots", Shown::IfAny),
    row("undo_bytes", "undo memory", Shown::IfAny),
    row("values_pinned", "pinned values", Shown::IfAny),
    row("read_view_held", "read view held", Shown::IfAny),
    row("read_views_opened", "read views opened", Shown::IfAny),
    row("expired_rows", "expired rows", Shown::Always),
    row(
        "sweep_failures",
        "sweep failures",
        Shown::Alert("expired rows may stay on the disk: check the disk and its free space"),
    ),
    row("drops_unfinished", "unfinished drops", Shown::IfAny),
];

pub(super) fn run(arguments: &Stats) -> Outcome {
    let figures = as_object(&figures(arguments)?);
    if arguments.json { print_json(&Value::Object(figures)) } else { print(as_text(figures)) }
}

/// Asks the process that has the store open, if it has an admin socket: also where the engine allows a second reader,
/// since only that process has counted anything. Otherwise opens the store.
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

fn as_object(stats: &AdminStats) -> Map<String, Value> {
    // Names, numbers and text always serialize, as one object.
    match serde_json::to_value(stats) {
        Ok(Value::Object(figures)) => figures,
        _ => Map::new(),
    }
}

fn as_text(mut figures: Map<String, Value>) -> String {
    let mut take = |name: &str| figures.remove(name).unwrap_or_default();
    let engine = format!("{} {}", shown("", &take("engine")), shown("", &take("engine_version")));
    let of_the_engine = take("engine_figures");
    let mut lines = vec![("engine".to_owned(), engine)];
    for Row { name, label, shown: when } in ROWS {
        let value = take(name);
        let text = match when {
            Shown::IfAny if is_nothing(&value) => continue,
            Shown::Alert(hint) if !is_nothing(&value) => {
                format!("{}  ! {hint}", shown(name, &value))
            }
            _ => shown(name, &value),
        };
        lines.push(((*label).to_owned(), text));
    }
    let others = figures.into_iter().filter(|(_, value)| !is_nothing(value));
    lines.extend(others.map(|(name, value)| (name.replace('_', " "), shown(&name, &value))));
    if let Value::Object(figures) = of_the_engine {
        lines.extend(figures.into_iter().map(|(name, value)| {
            let text = shown(&name, &value);
            (name, text)
        }));
    }
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (label, value) in lines {
        // Writing to memory does not fail.
        let _ = writeln!(text, "{label:width$}  {value}");
    }
    text
}

/// Returns whether a value is zero, false or unknown.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_so) => !is_so,
        Value::Number(number) => number.as_u64() == Some(0),
        _ => false,
    }
}

/// Formats a value, with the unit that the suffix of its name tells.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_u64() {
            Some(bytes) if name.ends_with("_bytes") => HumanBytes(bytes).to_string(),
            Some(ms) if name.ends_with("_ms") => duration(ms),
            // A sequence number is compared with others, so it has no separators.
            Some(count) if name != "high_water" => HumanCount(count).to_string(),
            _ => number.to_string(),
        },
        Value::Object(parts) => {
            let parts = parts.iter().map(|(name, value)| match name.as_str() {
                "opened_at" => format!("opened at {}", shown(name, value)),
                "age_ms" => format!("open for {}", shown(name, value)),
                _ => shown(name, value),
            });
            parts.collect::<Vec<_>>().join(", ")
        }
        Value::Array(_) => value.to_string(),
    }
}

fn duration(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { HumanDuration(Duration::from_millis(ms)).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(figures) = value else { panic!("{value} is not an object") };
        figures
    }

    #[test]
    fn the_text_has_units_what_matters_and_alerts() {
        let figures = object(json!({
            "engine": "redb", "engine_version": "4.6", "store": "1f", "path": "/data", "keyspaces": 1200,
            "disk_bytes": 1_572_864, "cache_bytes": null, "damaged_rows": 2, "sweep_failures": 0,
            "high_water_failures": 0, "high_water": 12345, "commits": 1_234_567, "undo_bytes": 0, "conflicts": 0,
            "readers_open": 1, "expired_rows": 0, "read_view_held": true, "of_tomorrow_bytes": 2048, "unknown": 0,
            "oldest_reader": {"kind": "scan", "age_ms": 180_000, "opened_at": "src/main.rs:3:5"},
            "engine_figures": {"wal_bytes": 4096, "pages": 0},
        }));
        let expected = "\
engine             redb 4.6
store              1f
path               /data
keyspaces          1,200
on disk            1.50 MiB
damaged rows       2  ! rows read differ from what was written: run `strongroom verify`, restore from a backup
high-water mark    12345
mark failures      0
commits            1,234,567
conflicts          0
open readers       1
oldest reader      scan, open for 3 minutes, opened at src/main.rs:3:5
read view held     yes
expired rows       0
sweep failures     0
of tomorrow bytes  2.00 KiB
wal_bytes          4.00 KiB
pages              0
";
        assert_eq!(as_text(figures), expected);
    }

    #[test]
    fn every_row_is_a_figure() {
        let store = strongroom::open("memory:?durability=buffered").unwrap();
        let figures = as_object(&AdminStats::of(&store).unwrap());
        for row in ROWS {
            assert!(figures.contains_key(row.name), "{} is not a figure", row.name);
        }
    }
}
