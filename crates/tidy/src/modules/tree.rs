//! The modules of a crate, and the resolution of paths to them.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{Edge, Place};
use super::mentions::{Body, Kind, Mention, Parsed, parse};

/// The files of a crate: path relative to its directory, with `/`, and text.
pub type Sources = BTreeMap<String, String>;

/// Limit on the steps of a resolution, so that names that refer to each other end it.
const STEPS_MAX: usize = 16;

/// The modules of one library or binary.
#[derive(Debug, Default)]
pub(super) struct Tree {
    modules: Vec<Module>,
    /// The defining modules of macros that are in the root through `#[macro_export]`.
    macros: BTreeMap<String, usize>,
    /// All its files, including those of tests.
    pub(super) files: BTreeSet<String>,
    /// Files that could not be read.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default)]
struct Module {
    /// Its path from the crate's root.
    path: Vec<String>,
    /// The file that contains it.
    file: String,
    /// The module of the whole file: itself, except for `mod name { … }` inside a file.
    whole: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    names: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    items: BTreeSet<String>,
    mentions: Vec<Mention>,
}

/// The target of a path.
enum Target {
    /// A module itself.
    Module(usize),
    /// An item defined in a module.
    Item(usize),
    /// An item of another crate.
    Outside,
}

impl Tree {
    /// Reads a root, such as `src/lib.rs`, and all modules that it declares, directly or indirectly.
    pub(super) fn read(sources: &Sources, root: &str) -> Self {
        let mut tree = Self::default();
        tree.read_file(sources, root, None, &[]);
        tree
    }

    fn read_file(&mut self, sources: &Sources, file: &str, parent: Option<usize>, path: &[String]) {
        self.files.insert(file.to_owned());
        let Some(text) = sources.get(file) else {
            self.problems.push(format!("{file} is declared as a module, but was not found"));
            return;
        };
        match parse(text) {
            Ok(parsed) => self.add(sources, file, parent, path, parsed, None),
            Err(error) => {
                let line = error.span().start().line;
                self.problems.push(format!("{file}:{line} could not be parsed: {error}"));
            }
        }
    }

    /// Adds a module and its children. `whole` is the module of the file, for a module inside a file.
    fn add(
        &mut self,
        sources: &Sources,
        file: &str,
        parent: Option<usize>,
        path: &[String],
        parsed: Parsed,
        whole: Option<usize>,
    ) {
        let this = self.modules.len();
        if let (Some(parent), Some(name)) = (parent, path.last()) {
            // Of two declarations for different platforms, the first one counts.
            self.modules[parent].children.entry(name.clone()).or_insert(this);
        }
        self.modules.push(Module {
            path: path.to_vec(),
            file: file.to_owned(),
            whole: whole.unwrap_or(this),
            parent,
            children: BTreeMap::new(),
            names: parsed.names.into_iter().collect(),
            globs: parsed.globs,
            items: parsed.items.into_iter().collect(),
            mentions: parsed.mentions,
        });
        self.macros.extend(parsed.exported.into_iter().map(|name| (name, this)));
        let within = self.modules[this].whole;
        for child in parsed.children {
            let path: Vec<String> = path.iter().cloned().chain([child.name.clone()]).collect();
            match child.body {
                Body::Inline(_) if child.test => {}
                Body::Inline(parsed) => self.add(sources, file, Some(this), &path, parsed, Some(within)),
                Body::File(given) => {
                    let below = &path[self.modules[within].path.len()..];
                    let child_file = file_of(sources, file, below, given.as_deref(), within == 0);
                    if child.test {
                        self.files.insert(child_file);
                    } else {
                        self.read_file(sources, &child_file, Some(this), &path);
                    }
                }
            }
        }
    }

    /// Returns the imports between modules in every directory.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges: BTreeMap<(Vec<String>, String, String), Edge> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            for mention in &module.mentions {
                let Some(target) = self.imported(at, mention) else { continue };
                let Some((dir, from, to)) = self.beside(module.whole, target) else { continue };
                if mention.kind == Kind::Export && self.is_below(target, module.whole) {
                    continue;
                }
                let place =
                    Place { file: module.file.clone(), line: mention.line, path: mention.path.join("::") };
                let edge = Edge { dir: dir.to_vec(), from: from.clone(), to: to.clone(), place };
                let key = (edge.dir.clone(), from, to);
                let first = edges.entry(key).or_insert_with(|| edge.clone());
                if (&edge.place.file, edge.place.line) < (&first.place.file, first.place.line) {
                    *first = edge;
                }
            }
        }
        edges.into_values().collect()
    }

    /// Returns the directories with more than one module and their module names, including the directory's own file.
    pub(super) fn directories(&self) -> BTreeMap<Vec<String>, BTreeSet<String>> {
        let mut found: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate().filter(|(at, module)| module.whole == *at) {
            for dir in (0..=module.path.len()).map(|length| &module.path[..length]) {
                found.entry(dir.to_vec()).or_default().insert(self.name_in(at, dir));
            }
        }
        found.retain(|_, names| names.len() > 1);
        found
    }

    /// Returns the name of a directory's own file: `mod`, `lib` or `main`.
    pub(super) fn own_name(&self, dir: &[String]) -> Option<&str> {
        self.modules.iter().find(|module| module.path == dir).map(|module| stem(&module.file))
    }

    /// Returns the file that a mention imports, if it belongs to this crate.
    fn imported(&self, from: usize, mention: &Mention) -> Option<usize> {
        match self.resolve(from, &mention.path, mention.kind != Kind::Code, STEPS_MAX)? {
            Target::Module(module) | Target::Item(module) => Some(self.modules[module].whole),
            Target::Outside => None,
        }
    }

    /// Returns the last common directory of two files, and their names in it.
    fn beside(&self, from: usize, to: usize) -> Option<(&[String], String, String)> {
        let (a, b) = (&self.modules[from].path, &self.modules[to].path);
        let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let dir = &a[..shared];
        let (from, to) = (self.name_in(from, dir), self.name_in(to, dir));
        (from != to).then_some((dir, from, to))
    }

    fn name_in(&self, file: usize, dir: &[String]) -> String {
        let module = &self.modules[file];
        match module.path.get(dir.len()) {
            Some(name) => name.clone(),
            // The directory's own file: `mod`, `lib` or `main`.
            None => stem(&module.file).to_owned(),
        }
    }

    fn is_below(&self, file: usize, above: usize) -> bool {
        file != above && self.modules[file].path.starts_with(&self.modules[above].path)
    }

    fn resolve(&self, from: usize, path: &[String], is_use: bool, steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        match first.as_str() {
            "crate" => self.walk(0, rest, steps),
            "self" => self.walk(from, rest, steps),
            "super" => self.walk(module.parent?, rest, steps),
            name => match (module.children.get(name), module.names.get(name)) {
                // A single name in code is not a module.
                (Some(&child), _) if is_use || !rest.is_empty() => self.walk(child, rest, steps),
                (_, Some(stands_for)) if stands_for != path => {
                    match self.resolve(from, stands_for, true, steps)? {
                        Target::Module(module) => self.walk(module, rest, steps),
                        other => Some(other),
                    }
                }
                _ => None,
            },
        }
    }

    /// Resolves a path that starts in a module.
    fn walk(&self, start: usize, path: &[String], steps: usize) -> Option<Target> {
        let Some((first, rest)) = path.split_first() else { return Some(Target::Module(start)) };
        let steps = steps.checked_sub(1)?;
        let module = &self.modules[start];
        match first.as_str() {
            "self" => return self.walk(start, rest, steps),
            "super" => return self.walk(module.parent?, rest, steps),
            _ => {}
        }
        if let Some(&child) = module.children.get(first) {
            return self.walk(child, rest, steps);
        }
        if let Some(stands_for) = module.names.get(first) {
            return match self.resolve(start, stands_for, true, steps) {
                Some(Target::Module(module)) => self.walk(module, rest, steps),
                Some(other) => Some(other),
                None => Some(Target::Outside),
            };
        }
        if !module.items.contains(first) {
            for glob in &module.globs {
                if let Some(Target::Module(all)) = self.resolve(start, glob, true, steps)
                    && all != start
                    && self.has(all, first)
                {
                    return self.walk(all, path, steps);
                }
            }
        }
        let exported = self.macros.get(first).filter(|_| start == 0);
        Some(Target::Item(exported.copied().unwrap_or(start)))
    }

    fn has(&self, module: usize, name: &str) -> bool {
        let module = &self.modules[module];
        module.items.contains(name) || module.children.contains_key(name) || module.names.contains_key(name)
    }
}

/// Returns the file of a module declared in another file, by the rules of rustc.
fn file_of(sources: &Sources, parent: &str, below: &[String], given: Option<&str>, root: bool) -> String {
    let dir = parent.rsplit_once('/').map_or("", |(dir, _)| dir);
    if let Some(given) = given {
        return normal(&format!("{dir}/{given}"));
    }
    let stem = stem(parent);
    let dir = if root || stem == "mod" { dir.to_owned() } else { format!("{dir}/{stem}") };
    let name = below.join("/");
    let nested = format!("{dir}/{name}/mod.rs");
    if sources.contains_key(&nested) { nested } else { format!("{dir}/{name}.rs") }
}

/// Normalizes a path: removes `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".rs").unwrap_or(name)
}
