//! Imports between the modules of one crate: no circle, and only downwards in a declared order.
//!
//! The rule: **inside a directory each file and each subdirectory is a module, the directory's own `mod.rs` (`lib.rs`,
//! `main.rs`) is one more, and no import among them may lead round in a circle; a `pub use` of what lies below the
//! file that says it is no import, and whoever uses the name imports the module that defines it.**
//!
//! So a `mod.rs` may assemble its children or be used by them, and not both: what children share stands in a module of
//! its own. An import is a `use` line or a path written out in code, in a type or in a macro's arguments, by `crate::`,
//! `super::`, `self::` or the name of a child. Code under `#[cfg(test)]` and doc comments import nothing. Methods that
//! are called on a value are not seen.
//!
//! The order stands in docs/ARCHITECTURE.md, in blocks that `order` reads.

mod circles;
mod mentions;
mod order;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

pub use order::{Order, check_stale, read_orders};
pub use tree::Sources;
use tree::Tree;

/// The crates whose modules may still import each other in circles, with the reason.
const IN_CIRCLES: &[(&str, &str)] = &[];

/// A crate's modules, read.
#[derive(Debug)]
pub struct Crate {
    dir: String,
    trees: Vec<Tree>,
    problems: Vec<String>,
}

impl Crate {
    /// Reads the modules of the crate in `dir`: those that its `roots` declare, such as `src/lib.rs` and `src/main.rs`,
    /// and those that these declare.
    pub fn read(dir: &str, roots: &[String], sources: &Sources) -> Self {
        let trees: Vec<Tree> = roots.iter().map(|root| Tree::read(sources, root)).collect();
        let lost = sources.keys().filter(|file| !trees.iter().any(|tree| tree.files.contains(*file)));
        let mut problems: Vec<String> =
            lost.map(|file| format!("{dir}/{file} belongs to no module: nobody compiles it")).collect();
        problems
            .extend(trees.iter().flat_map(|tree| &tree.problems).map(|problem| format!("{dir}/{problem}")));
        Self { dir: dir.to_owned(), trees, problems }
    }

    /// Its directory.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// What is wrong with the imports: circles, what points up in the declared order, and what is not in it.
    pub fn check(&self, orders: &[Order]) -> Vec<String> {
        let mut problems = self.problems.clone();
        for tree in &self.trees {
            let edges = tree.edges();
            problems.extend(circles::find(&edges).iter().map(|circle| circles::describe(&self.dir, circle)));
            problems.extend(order::check(&self.dir, tree, &edges, orders));
        }
        problems
    }

    /// The directories of modules, as an [`Order`] names them, each with the names in it.
    pub fn directories(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (dir, names) in self.trees.iter().flat_map(Tree::directories) {
            found.entry(circles::dir(&self.dir, &dir)).or_default().extend(names);
        }
        found
    }
}

/// As [`Crate::check`], but nothing for a crate that is excepted for now, unless it needs that no more.
pub fn check(krate: &Crate, orders: &[Order]) -> Vec<String> {
    let found = krate.check(orders);
    match IN_CIRCLES.iter().find(|(dir, _)| *dir == krate.dir) {
        None => found,
        Some((dir, _)) if found.is_empty() => {
            vec![format!("{dir} has no circle any more: take it off IN_CIRCLES in crates/tidy/src/modules")]
        }
        Some(_) => Vec::new(),
    }
}
