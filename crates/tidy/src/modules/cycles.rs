//! Finds import cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An import between two modules of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    /// The path of the directory from the crate's root.
    pub(super) dir: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
    /// The first such import.
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    /// The imported path.
    pub(super) path: String,
}

/// Returns cycles that cover every import on a cycle; for each uncovered import, the shortest one.
pub(super) fn find(edges: &[Edge]) -> Vec<Vec<&Edge>> {
    let mut after: BTreeMap<(&[String], &str), Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        after.entry((&edge.dir, &edge.from)).or_default().push(edge);
    }
    let mut shown: BTreeSet<(&[String], &str, &str)> = BTreeSet::new();
    let mut cycles = Vec::new();
    for edge in edges {
        if shown.contains(&(&edge.dir, &edge.from, &edge.to)) {
            continue;
        }
        if let Some(back) = way(&after, edge) {
            let cycle: Vec<&Edge> = std::iter::once(edge).chain(back).collect();
            shown
                .extend(cycle.iter().map(|edge| (edge.dir.as_slice(), edge.from.as_str(), edge.to.as_str())));
            cycles.push(cycle);
        }
    }
    cycles
}

/// The shortest path from the target of an import back to its source.
fn way<'e>(after: &BTreeMap<(&[String], &str), Vec<&'e Edge>>, edge: &'e Edge) -> Option<Vec<&'e Edge>> {
    let mut came_by: BTreeMap<&str, &Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([edge.to.as_str()]);
    while let Some(module) = queue.pop_front() {
        if module == edge.from {
            let mut way = Vec::new();
            let mut at = module;
            while at != edge.to {
                let step = came_by.get(at)?;
                way.push(*step);
                at = &step.from;
            }
            way.reverse();
            return Some(way);
        }
        for next in after.get(&(edge.dir.as_slice(), module)).into_iter().flatten() {
            if next.to != edge.to && !came_by.contains_key(next.to.as_str()) {
                came_by.insert(&next.to, next);
                queue.push_back(&next.to);
            }
        }
    }
    None
}

/// Describes a cycle as `a → b → a`, with the place of each import.
pub(super) fn describe(krate: &str, cycle: &[&Edge]) -> String {
    let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|edge| edge.from.as_str()).collect();
    let imports = cycle.iter().map(|Edge { from, to, place: Place { file, line, path }, .. }| {
        format!("\n    {from} imports {to} at {krate}/{file}:{line} ({path})")
    });
    let place = cycle.first().map(|edge| dir(krate, &edge.dir)).unwrap_or_default();
    let imports: String = imports.collect();
    format!("{place}: import cycle: {}{imports}", names.join(" → "))
}

/// The name of a directory of modules in problems and in the blocks of docs/ARCHITECTURE.md.
pub(super) fn dir(krate: &str, dir: &[String]) -> String {
    let path = dir.iter().map(|name| format!("/{name}"));
    let src = if dir.is_empty() { "" } else { "/src" };
    format!("{krate}{src}{}", path.collect::<String>())
}
