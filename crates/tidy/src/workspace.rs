//! Reads the input of the checks from the workspace.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::imports::Package;
use crate::modules::Sources;

/// Returns the root of this workspace.
pub fn root() -> PathBuf {
    let this = Path::new(env!("CARGO_MANIFEST_DIR"));
    this.ancestors().nth(2).unwrap_or(this).to_owned()
}

/// Returns the output of `cargo metadata`, with the graph of one platform if a target is given.
///
/// # Errors
///
/// If cargo fails.
pub fn metadata(root: &Path, target: Option<&str>) -> cargo_metadata::Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml"));
    // A check must not change the lock file.
    let mut options = vec!["--locked".to_owned()];
    match target {
        Some(target) => options.extend(["--filter-platform".to_owned(), target.to_owned()]),
        None => options.push("--no-deps".to_owned()),
    }
    command.other_options(options).exec()
}

/// Returns the workspace's packages and their imports on all platforms and with all features.
pub fn packages(metadata: &Metadata) -> Vec<Package> {
    let names = |package: &cargo_metadata::Package, dev: bool| {
        let of_kind = package
            .dependencies
            .iter()
            .filter(|dependency| (dependency.kind == DependencyKind::Development) == dev);
        of_kind.map(|dependency| dependency.name.clone()).collect()
    };
    let packages = metadata.workspace_packages().into_iter().map(|package| Package {
        name: package.name.to_string(),
        dir: relative(package.manifest_path.as_std_path(), metadata)
            .trim_end_matches("Cargo.toml")
            .trim_end_matches('/')
            .to_owned(),
        normal: names(package, false),
        dev: names(package, true),
    });
    packages.collect()
}

/// Returns a path relative to the workspace's root, with `/`.
fn relative(path: &Path, metadata: &Metadata) -> String {
    let path = path.strip_prefix(metadata.workspace_root.as_std_path()).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

/// Returns the root files of all libraries and binaries.
pub fn crate_roots(metadata: &Metadata) -> Vec<PathBuf> {
    let targets = metadata.workspace_packages().into_iter().flat_map(|package| &package.targets);
    let opening = targets.filter(|target| target.is_lib() || target.is_bin() || target.is_proc_macro());
    opening.map(|target| target.src_path.clone().into_std_path_buf()).collect()
}

/// Returns the directory, roots and sources of every crate, for [`Crate::read`](crate::modules::Crate::read).
///
/// # Errors
///
/// If a file cannot be read.
pub fn crates(metadata: &Metadata) -> io::Result<Vec<(String, Vec<String>, Sources)>> {
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let dir = package.manifest_path.as_std_path().parent().unwrap_or(Path::new(""));
        let below = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let targets = package.targets.iter().map(|target| below(target.src_path.as_std_path()));
        let roots = targets.filter(|root| root.starts_with("src/")).collect();
        let mut sources = Sources::new();
        for path in files(&dir.join("src"), &|path| path.extension().is_some_and(|end| end == "rs"))? {
            sources.insert(below(&path), std::fs::read_to_string(&path)?);
        }
        crates.push((relative(dir, metadata), roots, sources));
    }
    Ok(crates)
}

/// Reports packages without a licence or a description.
pub fn check_fields(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let missing = |field: Option<&String>| field.is_none_or(|text| text.trim().is_empty());
        if missing(package.license.as_ref()) {
            problems.push(format!("{} has no `license` in its Cargo.toml", package.name));
        }
        if missing(package.description.as_ref()) {
            problems.push(format!("{} has no `description` in its Cargo.toml", package.name));
        }
    }
    problems
}

/// Returns the dependency tree of a package with default features on a platform, for `native::check`.
///
/// # Errors
///
/// If cargo fails.
pub fn tree(root: &Path, package: &str, target: &str) -> io::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "depth", "--format", "{p}|{f}"])
        .args(["--package", package, "--target", target])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the files under a directory that pass `wanted`, sorted, without build output and other generated files.
///
/// # Errors
///
/// If a directory cannot be read.
pub fn files(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let path = entry.path();
            // A file, not a directory, in a linked work tree.
            if name == ".git" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                if name != "target" && name != "quickstart-data" {
                    left.push(path);
                }
            } else if wanted(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{files, metadata, packages, root, tree};

    #[test]
    fn this_package_is_found_with_its_imports() {
        let found = packages(&metadata(&root(), None).unwrap());
        let this = found.iter().find(|package| package.name == "strongroom-tidy").unwrap();
        assert_eq!(this.dir, "crates/tidy");
        assert_eq!(this.normal, ["cargo_metadata", "proc-macro2", "syn"]);
        assert_eq!(this.dev, ["tempfile"]);
    }

    #[test]
    fn a_tree_that_cargo_refuses_is_an_error() {
        assert!(tree(&root(), "no-such-package", "x86_64-unknown-linux-gnu").is_err());
    }

    #[test]
    fn files_are_found_recursively_without_build_output() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["src/deep/a.rs", "target/b.rs", "src/c.txt", "work/.git"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files(dir.path(), &|path| path.extension().is_none_or(|end| end == "rs")).unwrap();
        assert_eq!(found, [dir.path().join("src/deep/a.rs")]);
    }
}
