//! Checks imports between the modules of one crate: no cycles, and only downwards in a declared order.
//!
//! The rule: **in a directory, each file and each subdirectory is a module, and the directory's own `mod.rs`
//! (`lib.rs`,
//! `main.rs`) is one more. Imports among these modules form no cycle. A `pub use` of an item below the file that
//! contains it is not an import; a user of the name imports the module that defines it.**
//!
//! So a `mod.rs` may assemble its children or be used by them, but not both: shared code of the children belongs into
//! its own module. An import is a `use` line or a path in code, in a type or in a macro's arguments that starts with
//! `crate::`, `super::`, `self::` or the name of a child. Code under `#[cfg(test)]` and doc comments import nothing.
//! Method calls on values are not detected.
//!
//! The order is declared in docs/ARCHITECTURE.md, in blocks that `order` reads.

mod cycles;
mod mentions;
mod order;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

pub use order::{Order, check_stale, read_orders};
pub use tree::Sources;
use tree::Tree;

/// Crates whose modules may still have import cycles, with the reason.
const WITH_CYCLES: &[(&str, &str)] = &[];

/// The parsed modules of a crate.
#[derive(Debug)]
pub struct Crate {
    dir: String,
    trees: Vec<Tree>,
    problems: Vec<String>,
}

impl Crate {
    /// Reads the modules of the crate in `dir`: its `roots`, such as `src/lib.rs` and `src/main.rs`, and all modules
    /// that they declare.
    pub fn read(dir: &str, roots: &[String], sources: &Sources) -> Self {
        let trees: Vec<Tree> = roots.iter().map(|root| Tree::read(sources, root)).collect();
        let lost = sources.keys().filter(|file| !trees.iter().any(|tree| tree.files.contains(*file)));
        let mut problems: Vec<String> =
            lost.map(|file| format!("{dir}/{file} belongs to no module and is never compiled")).collect();
        problems
            .extend(trees.iter().flat_map(|tree| &tree.problems).map(|problem| format!("{dir}/{problem}")));
        Self { dir: dir.to_owned(), trees, problems }
    }

    /// Returns its directory.
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// Returns the problems of the imports: cycles, imports against the declared order, and modules missing from it.
    pub fn check(&self, orders: &[Order]) -> Vec<String> {
        let mut problems = self.problems.clone();
        for tree in &self.trees {
            let edges = tree.edges();
            problems.extend(cycles::find(&edges).iter().map(|cycle| cycles::describe(&self.dir, cycle)));
            problems.extend(order::check(&self.dir, tree, &edges, orders));
        }
        problems
    }

    /// Returns the directories of modules, as an [`Order`] names them, each with its module names.
    pub fn directories(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (dir, names) in self.trees.iter().flat_map(Tree::directories) {
            found.entry(cycles::dir(&self.dir, &dir)).or_default().extend(names);
        }
        found
    }
}

/// As [`Crate::check`], but returns nothing for an excepted crate, unless the exception is no longer needed.
pub fn check(krate: &Crate, orders: &[Order]) -> Vec<String> {
    let found = krate.check(orders);
    match WITH_CYCLES.iter().find(|(dir, _)| *dir == krate.dir) {
        None => found,
        Some((dir, _)) if found.is_empty() => {
            vec![format!(
                "{dir} no longer has a cycle: remove it from WITH_CYCLES in crates/tidy/src/modules"
            )]
        }
        Some(_) => Vec::new(),
    }
}
