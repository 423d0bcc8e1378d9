//! Runs the checks of this crate on the workspace itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail it")]

use std::path::{Path, PathBuf};

use strongroom_tidy::{backends, imports, lints, native, source, versions, workspace};

/// The platforms whose default build is checked: each system, and both processors on Linux.
const PLATFORMS: &[&str] = &[
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "aarch64-linux-android",
    "aarch64-apple-ios",
];

#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

fn rust_files(below: &str) -> Vec<PathBuf> {
    let files = workspace::files(&workspace::root().join(below), &is_rust).unwrap();
    assert!(!files.is_empty(), "no source found under {below}: the check would be empty");
    files
}

/// The path of a file relative to the root, and its text.
fn read(path: &Path) -> (String, String) {
    let name = path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    (name, text)
}

#[test]
fn imports_point_down() {
    let metadata = workspace::metadata(&workspace::root(), None).unwrap();
    none(&imports::check(&workspace::packages(&metadata)));
}

#[test]
fn backends_have_the_same_files() {
    let dir = workspace::root().join("crates/backends");
    let mut problems = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let backend = entry.unwrap().path();
        let sources = backend.join("src");
        let files = workspace::files(&sources, &is_rust).unwrap();
        let names = files.iter().map(|file| file.strip_prefix(&sources).unwrap().to_string_lossy().into());
        let name = backend.file_name().unwrap().to_string_lossy();
        problems.extend(backends::check(&name, &names.collect::<Vec<String>>()));
        count += 1;
    }
    assert!(count > 0, "no backend found");
    problems.sort();
    none(&problems);
}

#[test]
fn backends_report_the_version_of_their_engine() {
    let (_, lock) = read(&workspace::root().join("Cargo.lock"));
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(workspace::root().join("crates/backends")).unwrap() {
        let backend = entry.unwrap().path();
        let (_, source) = read(&backend.join("src/engine.rs"));
        let name = backend.file_name().unwrap().to_string_lossy();
        problems.extend(versions::check(&name, &source, &lock.replace("\r\n", "\n")));
    }
    problems.sort();
    none(&problems);
}

#[test]
fn sources_are_short_and_finished() {
    let mut problems = Vec::new();
    for path in rust_files("crates") {
        let (name, text) = read(&path);
        problems.extend(source::check_unfinished(&name, &text));
        if name.contains("/src/") {
            problems.extend(source::check_length(&name, &text));
        }
    }
    none(&problems);
}

#[test]
fn no_file_contains_a_machine_path() {
    let text_file = |path: &Path| match path.extension().and_then(|end| end.to_str()) {
        Some(end) => ["rs", "toml", "md", "sh", "py"].contains(&end),
        // The scripts at the root have no extension.
        None => true,
    };
    let files = workspace::files(&workspace::root(), &text_file).unwrap();
    let mut problems = Vec::new();
    for path in files {
        // A file without an extension may be binary data, which is skipped.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(workspace::root()).unwrap().display().to_string();
        problems.extend(source::check_machine_paths(&name, &text));
    }
    none(&problems);
}

#[test]
fn every_invariant_in_code_has_an_entry() {
    let (_, list) = read(&workspace::root().join("docs/INVARIANTS.md"));
    let listed = source::invariants_listed(&list);
    let mut problems = Vec::new();
    for path in rust_files("crates") {
        let (name, text) = read(&path);
        problems.extend(source::check_invariants(&name, &text, &listed));
    }
    none(&problems);
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let metadata = workspace::metadata(&workspace::root(), None).unwrap();
    let (_, shared) = read(&workspace::root().join("Cargo.toml"));
    let mut problems = Vec::new();
    for package in workspace::packages(&metadata) {
        let (_, manifest) = read(&workspace::root().join(&package.dir).join("Cargo.toml"));
        problems.extend(lints::check(&package.dir, &manifest, &shared));
    }
    none(&problems);
}

#[test]
fn every_crate_opens_with_docs_and_has_its_fields() {
    let metadata = workspace::metadata(&workspace::root(), None).unwrap();
    let mut problems = workspace::check_fields(&metadata);
    for path in workspace::crate_roots(&metadata) {
        let (name, text) = read(&path);
        problems.extend(source::check_module_docs(&name, &text));
    }
    none(&problems);
}

#[test]
fn the_default_build_compiles_no_c() {
    let root = workspace::root();
    let mut problems = Vec::new();
    for platform in PLATFORMS {
        let metadata = workspace::metadata(&root, Some(platform)).unwrap();
        let with_links = metadata.packages.iter().filter(|package| package.links.is_some());
        let links: Vec<_> =
            with_links.map(|package| (package.name.to_string(), package.version.to_string())).collect();
        let members = metadata.workspace_default_packages();
        let members: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        // Each member separately, because features enabled by one could hide that another lacks them.
        for &member in &members {
            let tree = workspace::tree(&root, member, platform).unwrap();
            assert!(tree.starts_with(&format!("0{member} v")), "not the tree of {member}:\n{tree}");
            let found = native::check(&tree, &links);
            problems.extend(found.iter().map(|problem| format!("{member} on {platform}: {problem}")));
            // These must include the default engine; otherwise this is not the intended build.
            if ["strongroom", "strongroom-cli"].contains(&member) {
                assert!(tree.contains("strongroom-redb v"), "{tree}");
            }
        }
        for needed in ["strongroom", "strongroom-cli"] {
            assert!(
                members.contains(&needed),
                "{needed} is not a default member of the workspace: {members:?}"
            );
        }
    }
    none(&problems);
}
