//! Circles among imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One module imports another in the same directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    /// The directory, from the crate's root down.
    pub(super) dir: Vec<String>,
    pub(super) from: String,
    pub(super) to: String,
    /// Where it does so first.
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    /// The path that is named there.
    pub(super) path: String,
}

/// Circles that together hold every import that lies on one: for each of these the shortest.
pub(super) fn find(edges: &[Edge]) -> Vec<Vec<&Edge>> {
    let mut after: BTreeMap<(&[String], &str), Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        after.entry((&edge.dir, &edge.from)).or_default().push(edge);
    }
    let mut shown: BTreeSet<(&[String], &str, &str)> = BTreeSet::new();
    let mut circles = Vec::new();
    for edge in edges {
        if shown.contains(&(&edge.dir, &edge.from, &edge.to)) {
            continue;
        }
        if let Some(back) = way(&after, edge) {
            let circle: Vec<&Edge> = std::iter::once(edge).chain(back).collect();
            shown.extend(
                circle.iter().map(|edge| (edge.dir.as_slice(), edge.from.as_str(), edge.to.as_str())),
            );
            circles.push(circle);
        }
    }
    circles
}

/// The shortest way from the end of an import back to its beginning.
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

/// `a → b → a`, and where each of these imports stands.
pub(super) fn describe(krate: &str, circle: &[&Edge]) -> String {
    let names: Vec<&str> = circle.iter().chain(circle.first()).map(|edge| edge.from.as_str()).collect();
    let imports = circle.iter().map(|Edge { from, to, place: Place { file, line, path }, .. }| {
        format!("\n    {from} imports {to} at {krate}/{file}:{line} ({path})")
    });
    let place = circle.first().map(|edge| dir(krate, &edge.dir)).unwrap_or_default();
    let imports: String = imports.collect();
    format!("{place}: modules import each other in a circle: {}{imports}", names.join(" → "))
}

/// A directory of modules, as the problems and the blocks in docs/ARCHITECTURE.md name it.
pub(super) fn dir(krate: &str, dir: &[String]) -> String {
    let below = dir.iter().map(|name| format!("/{name}"));
    let src = if dir.is_empty() { "" } else { "/src" };
    format!("{krate}{src}{}", below.collect::<String>())
}
