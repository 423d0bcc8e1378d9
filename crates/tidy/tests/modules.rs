//! Checks the imports between the modules of each crate of this workspace, and that the check finds an added cycle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail it")]

use std::collections::BTreeMap;

use strongroom_tidy::modules::{self, Crate, Order, Sources};
use strongroom_tidy::workspace;

type Read = (String, Vec<String>, Sources);

fn crates() -> Vec<Read> {
    let found = workspace::crates(&workspace::metadata(&workspace::root(), None).unwrap()).unwrap();
    assert!(found.len() > 10, "the crates of the workspace were not found");
    found
}

fn orders() -> Vec<Order> {
    let document = std::fs::read_to_string(workspace::root().join("docs/ARCHITECTURE.md")).unwrap();
    let (orders, problems) = modules::read_orders(&document);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    orders
}

#[test]
fn modules_import_downwards_and_not_in_cycles() {
    let orders = orders();
    let crates: Vec<Crate> =
        crates().iter().map(|(dir, roots, sources)| Crate::read(dir, roots, sources)).collect();
    let mut problems: Vec<String> = crates.iter().flat_map(|krate| modules::check(krate, &orders)).collect();
    let directories: BTreeMap<_, _> = crates.iter().flat_map(Crate::directories).collect();
    problems.extend(modules::check_stale(&orders, &directories));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Adds, in memory, imports between two modules of each crate in turn.
#[test]
fn a_cycle_in_any_crate_is_found() {
    for (dir, roots, mut sources) in crates() {
        let krate = Crate::read(&dir, &roots, &sources);
        let names = krate.directories().remove(&dir).unwrap();
        let files: Vec<(String, String)> = names
            .into_iter()
            .flat_map(|name| {
                [format!("src/{name}.rs"), format!("src/{name}/mod.rs")].map(|file| (name.clone(), file))
            })
            .filter(|(_, file)| sources.contains_key(file) && !roots.contains(file))
            .collect();
        let [(one, one_file), .., (other, other_file)] = &files[..] else {
            panic!("{dir} has fewer than two modules: {files:?}");
        };
        let mut imports = Vec::new();
        for (file, from, to) in [(one_file, one, other), (other_file, other, one)] {
            let text = sources.get_mut(file).unwrap();
            *text += "\nuse crate::";
            *text += to;
            *text += ";\n";
            imports
                .push(format!("{from} imports {to} at {dir}/{file}:{} (crate::{to})", text.lines().count()));
        }
        let found = Crate::read(&dir, &roots, &sources).check(&orders());
        let cycle = [
            format!("{dir}: import cycle: {one} → {other} → {one}\n"),
            format!("{dir}: import cycle: {other} → {one} → {other}\n"),
        ];
        let report = found.iter().find(|problem| cycle.iter().any(|cycle| problem.starts_with(cycle)));
        let report = report
            .unwrap_or_else(|| panic!("{dir}: no cycle of {one} and {other} in:\n{}", found.join("\n")));
        // If an import existed before, the first one is reported instead of the added one.
        assert!(imports.iter().any(|import| report.contains(import)), "{imports:?} in {report}");
    }
}
