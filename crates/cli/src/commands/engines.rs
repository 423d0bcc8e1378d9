//! `engines`: the engines of this build.

use crate::arguments::Engines;
use crate::exit::Outcome;
use crate::output::{print, print_json};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use strongroom::{Driver, Durability, Registry};

pub(super) fn run(arguments: &Engines) -> Outcome {
    let registry = Registry::builtin();
    if arguments.json {
        return print_json(&registry.drivers().map(as_json).collect());
    }
    print(table(&registry.drivers().map(cells).collect::<Vec<_>>()))
}

/// The durabilities that an engine accepts, the default first.
fn durabilities(driver: &Driver) -> Vec<&'static str> {
    let claimed = driver.info().capabilities.power_safe.then_some(Durability::PowerSafe);
    claimed.into_iter().chain([Durability::Buffered]).map(Durability::as_str).collect()
}

fn as_json(driver: &Driver) -> Value {
    let info = driver.info();
    let capabilities: Map<String, Value> =
        info.capabilities.rows().into_iter().map(|(name, can)| (name.to_owned(), can.into())).collect();
    json!({
        "name": info.name,
        "version": info.version,
        "durabilities": durabilities(driver),
        "snapshots": info.snapshots,
        "capabilities": capabilities,
        "options": {
            "cache": info.tuning.cache,
            "compression": info.tuning.compression.iter().map(|can| can.as_str()).collect::<Vec<_>>(),
            "background_threads": info.tuning.background_threads,
        },
    })
}

const TITLES: [&str; 5] = ["ENGINE", "VERSION", "DURABILITY", "SNAPSHOTS", "CAPABILITIES"];

fn cells(driver: &Driver) -> [String; 5] {
    let info = driver.info();
    // Durability has a column of its own.
    let can = info.capabilities.rows().into_iter().filter(|(name, can)| *can && *name != "power_safe");
    let can: Vec<String> = can.map(|(name, _)| name.replace('_', " ")).collect();
    let can = if can.is_empty() { "-".to_owned() } else { can.join(", ") };
    [
        info.name.to_owned(),
        info.version.to_owned(),
        durabilities(driver).join(", "),
        info.snapshots.to_owned(),
        can,
    ]
}

/// Columns as wide as their widest cell, two spaces apart.
fn table(rows: &[[String; 5]]) -> String {
    let titles = TITLES.map(str::to_owned);
    let mut text = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().chain([&titles]).map(|row| row[column].len()).max().unwrap_or(0);
            // Writing to memory does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
