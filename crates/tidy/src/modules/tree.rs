//! The modules of a crate, and which of them a path leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::circles::{Edge, Place};
use super::mentions::{Body, Kind, Mention, Parsed, parse};

/// A crate's files: the path below its directory, with `/`, and the text.
pub type Sources = BTreeMap<String, String>;

/// How often a name may lead to another name, so that names that lead to each other come to an end.
const STEPS_MAX: usize = 16;

/// The modules of one library or command.
#[derive(Debug, Default)]
pub(super) struct Tree {
    modules: Vec<Module>,
    /// Where macros are that the root has by `#[macro_export]`.
    macros: BTreeMap<String, usize>,
    /// The files that belong to it, those of tests too.
    pub(super) files: BTreeSet<String>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default)]
struct Module {
    /// Its name from the crate's root down.
    path: Vec<String>,
    /// The file in which it stands.
    file: String,
    /// The module that is this whole file: itself, but for `mod name { … }` inside a file.
    whole: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    names: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    items: BTreeSet<String>,
    mentions: Vec<Mention>,
}

/// What a path leads to.
enum Target {
    /// A module itself.
    Module(usize),
    /// Something that is defined in a module.
    Item(usize),
    /// Something of another crate.
    Outside,
}

impl Tree {
    /// Reads the modules that a root, such as `src/lib.rs`, declares, and those that these declare.
    pub(super) fn read(sources: &Sources, root: &str) -> Self {
        let mut tree = Self::default();
        tree.read_file(sources, root, None, &[]);
        tree
    }

    fn read_file(&mut self, sources: &Sources, file: &str, parent: Option<usize>, path: &[String]) {
        self.files.insert(file.to_owned());
        let Some(text) = sources.get(file) else {
            self.problems.push(format!("{file} is declared as a module and was not found"));
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

    /// Adds a module and those below it. `whole` is the module of the file, for one that is not a file of its own.
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
            // Where two are declared for different platforms, a path leads to the first.
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

    /// Who imports whom, in every directory.
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

    /// The directories that hold more than one module, and the names in each, its own file among them.
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

    /// The name of a directory's own file: `mod`, `lib`, `main`.
    pub(super) fn own_name(&self, dir: &[String]) -> Option<&str> {
        self.modules.iter().find(|module| module.path == dir).map(|module| stem(&module.file))
    }

    /// The file that a mention imports, if it is one of this crate's.
    fn imported(&self, from: usize, mention: &Mention) -> Option<usize> {
        match self.resolve(from, &mention.path, mention.kind != Kind::Code, STEPS_MAX)? {
            Target::Module(module) | Target::Item(module) => Some(self.modules[module].whole),
            Target::Outside => None,
        }
    }

    /// The directory in which the ways to two files part, and their names there.
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
            // The directory's own file: `mod`, `lib`, `main`.
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
                // A single name in code is no module.
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

    /// Where a path that begins in a module leads.
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

/// The file of a module that another file declares, as rustc finds it.
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

/// A path without `..`.
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
