//! Checks imports against the declared order of modules, which it reads from blocks in docs/ARCHITECTURE.md.
//!
//! A block opens with `modules of DIRECTORY`, and each following line is a layer: names separated by commas, and a
//! description after a colon. A module imports only from lines below its own. `crates/backends/*` is one order for
//! all backends, each of which has some of its modules. `lib`, `main` and `mod` (the directory's own file) are
//! above all others unless the block names them. Every crate needs a block; a directory inside a crate may have
//! one too.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{self, Edge, Place};
use super::tree::Tree;

const OPENING: &str = "modules of ";

/// One block of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The directory, such as `crates/core`, `crates/backends/*` or `crates/core/src/adapter`.
    pub dir: String,
    /// The line of each module, counted from the top.
    layers: BTreeMap<String, usize>,
}

/// Returns the blocks of a document, and their problems.
pub fn read_orders(document: &str) -> (Vec<Order>, Vec<String>) {
    let (mut orders, mut problems): (Vec<Order>, Vec<String>) = Default::default();
    let mut open = false;
    let mut reading = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            open = !open;
            reading = false;
        } else if open && let Some(dir) = line.strip_prefix(OPENING) {
            let dir = dir.trim().trim_end_matches(':').to_owned();
            if orders.iter().any(|order| order.dir == dir) {
                problems.push(format!("two blocks define the order of {dir}: remove one"));
            }
            orders.push(Order { dir, layers: BTreeMap::new() });
            reading = true;
        } else if reading && let Some(order) = orders.last_mut() {
            let layer = order.layers.values().max().map_or(0, |last| last + 1);
            let names = line.split(':').next().unwrap_or_default().split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty()) {
                if order.layers.insert(name.to_owned(), layer).is_some() {
                    problems.push(format!("the order of {} names {name} twice", order.dir));
                }
            }
        }
    }
    (orders, problems)
}

impl Order {
    fn is_of(&self, dir: &str) -> bool {
        match self.dir.strip_suffix('*') {
            Some(parent) => {
                dir.strip_prefix(parent).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            }
            None => self.dir == dir,
        }
    }

    /// The line of a module; the directory's own file is above the first, unless it has one.
    fn layer(&self, name: &str, own: Option<&str>) -> Option<usize> {
        match self.layers.get(name) {
            Some(layer) => Some(layer + 1),
            None => (own == Some(name)).then_some(0),
        }
    }
}

/// Returns the imports that do not point down, and the modules missing from the order.
pub(super) fn check(krate: &str, tree: &Tree, edges: &[Edge], orders: &[Order]) -> Vec<String> {
    let mut problems = Vec::new();
    for (dir, names) in tree.directories() {
        let place = cycles::dir(krate, &dir);
        let own = tree.own_name(&dir);
        let inside: Vec<&Edge> = edges.iter().filter(|edge| edge.dir == dir).collect();
        let Some(order) = orders.iter().find(|order| order.is_of(&place)) else {
            if dir.is_empty() {
                problems.push(format!(
                    "{place} has no order of modules: add a block to docs/ARCHITECTURE.md, such as\n{OPENING}{place}\n{}",
                    suggestion(&names, own, &inside)
                ));
            }
            continue;
        };
        let unknown =
            names.iter().filter(|name| Some(name.as_str()) != own && !order.layers.contains_key(*name));
        problems.extend(unknown.map(|name| {
            format!(
                "{place} has a module {name} that is missing from its order in docs/ARCHITECTURE.md: add it to the \
                 right line"
            )
        }));
        for edge in inside {
            let (Some(from), Some(to)) = (order.layer(&edge.from, own), order.layer(&edge.to, own)) else {
                continue;
            };
            if from >= to {
                let Place { file, line, path } = &edge.place;
                let position = if from == to { "on the same line" } else { "above it" };
                problems.push(format!(
                    "{krate}/{file}:{line} ({path}): {} imports {}, which is {position} in the order of {} in \
                     docs/ARCHITECTURE.md: imports point down",
                    edge.from, edge.to, order.dir
                ));
            }
        }
    }
    problems
}

/// Suggests an order that fits the imports, with all modules of a cycle on the first line.
fn suggestion(names: &BTreeSet<String>, own: Option<&str>, edges: &[&Edge]) -> String {
    // The directory's own file is above all others by default.
    let mut left: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|name| Some(*name) != own).collect();
    let mut lines = Vec::new();
    while !left.is_empty() {
        let imports = |name: &str| {
            edges.iter().any(|edge| edge.from == name && edge.to != name && left.contains(edge.to.as_str()))
        };
        let lowest: Vec<&str> = left.iter().copied().filter(|name| !imports(name)).collect();
        let lowest = if lowest.is_empty() { left.iter().copied().collect() } else { lowest };
        left.retain(|name| !lowest.contains(name));
        lines.push(lowest.join(", "));
    }
    lines.reverse();
    lines.join("\n")
}

/// Returns the names in orders that no crate has, given the module directories of all crates and their names.
pub fn check_stale(orders: &[Order], directories: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut problems = Vec::new();
    for order in orders {
        let existing: BTreeSet<&String> =
            directories.iter().filter(|(dir, _)| order.is_of(dir)).flat_map(|(_, names)| names).collect();
        let stale = order.layers.keys().filter(|name| !existing.contains(name));
        problems.extend(stale.map(|name| {
            format!("the order of {} in docs/ARCHITECTURE.md names {name}, which does not exist", order.dir)
        }));
    }
    problems
}
