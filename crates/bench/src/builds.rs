//! Measures the build cost of each engine for an application: seconds, crates, native code, bytes, licences.
//!
//! For each engine it creates and builds a small application outside the workspace, as a user would: with the
//! versions of the workspace's lock file, offline, into an empty target directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rows of the table and their features. `pure` has the default engines of the command-line tool.
const ROWS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("redb", &["redb"]),
    ("sled", &["sled"]),
    ("fjall", &["fjall"]),
    ("pure", &["redb", "sled", "fjall"]),
    ("lmdb", &["lmdb"]),
    ("sqlite", &["sqlite"]),
    ("rocksdb", &["rocksdb"]),
];

/// Crates with which build scripts compile C. A crate that depends on one of them counts as native code.
const COMPILERS: &[&str] = &["autotools", "bindgen", "cc", "cmake", "cxx-build"];

/// Crates that depend on one of those, but do not call it while a feature is on.
const TAMED: &[(&str, &str)] = &[("blake3", "pure")];

#[derive(clap::Args)]
pub struct Arguments {
    /// Rows to measure: an engine, `none` (memory only) or `pure` (redb, sled and fjall together); by default
    /// all but RocksDB
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(ROWS.iter().map(|row| row.0)))]
    engine: Vec<String>,
    /// Measure RocksDB too: takes 15 to 20 minutes on two cores
    #[arg(long)]
    with_rocksdb: bool,
}

pub fn run(arguments: &Arguments) {
    let wanted = |name: &str| match name {
        "rocksdb" if arguments.with_rocksdb => true,
        "rocksdb" => arguments.engine.iter().any(|engine| engine == name),
        _ => arguments.engine.is_empty() || arguments.engine.iter().any(|engine| engine == name),
    };
    // Fetched up front, so that no build time includes a download.
    assert!(cargo(&workspace()).args(["fetch", "--quiet", "--locked"]).status().unwrap().success());
    let advisories = fetch_advisories();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{}, {cores} cores; release builds, each from an empty target directory\n", rustc());
    println!(
        "| engine | clean build s | CPU s | incremental s | crates | compile C or C++ | stripped MiB | \
         licences | advisories, yanked |"
    );
    println!("|---|--:|--:|--:|--:|---|--:|---|---|");
    let mut clean = Vec::new();
    for (name, features) in ROWS.iter().filter(|row| wanted(row.0)) {
        let row = measure(name, features, advisories);
        println!(
            "| {name} | {:.1} | {} | {:.1} | {} | {} | {:.2} | {} | {} |",
            row.clean_s,
            row.cpu_s.map_or("?".to_owned(), |seconds| format!("{seconds:.0}")),
            row.incremental_s,
            row.tree.crates,
            listed(&row.tree.native),
            row.binary_bytes as f64 / f64::from(1 << 20),
            listed(&row.tree.licences),
            row.advisories,
        );
        clean.push((*name, row.clean_s));
    }
    if !advisories {
        println!("\nSKIPPED advisories: cargo-deny or its database is not available");
    }
    let seconds = |name: &str| clean.iter().find(|row| row.0 == name).map(|row| row.1);
    if let (Some(pure), Some(rocksdb)) = (seconds("pure"), seconds("rocksdb")) {
        println!("\n* RocksDB alone takes {:.1} times as long as `pure` (at least 3)", rocksdb / pure);
    }
}

struct Row {
    clean_s: f64,
    cpu_s: Option<f64>,
    incremental_s: f64,
    binary_bytes: u64,
    tree: Tree,
    advisories: String,
}

fn measure(name: &str, features: &[&str], advisories: bool) -> Row {
    // Holds the application, its target directory and its store; deleted when the row is done.
    let home = tempfile::tempdir().unwrap();
    let application = home.path().join("application");
    make_application(&application, features);
    let tree = Tree::read(&application);
    eprintln!("{name}: {} crates, clean build …", tree.crates);
    let cpu_before = children_cpu_seconds();
    let clean_s = build(&application);
    let cpu_s = children_cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    eprintln!("{name}: {clean_s:.1} s; again after a change in main.rs …");
    let main = application.join("src/main.rs");
    fs::write(&main, fs::read_to_string(&main).unwrap() + "\n// Changed.\n").unwrap();
    let incremental_s = build(&application);
    let program = application.join("target/release/application");
    for engine in if features.is_empty() { &["memory"] } else { features } {
        assert!(Command::new(&program).arg(url(engine, home.path())).status().unwrap().success(), "{engine}");
    }
    let binary_bytes = fs::metadata(&program).unwrap().len();
    let advisories = if advisories { findings(&application) } else { "SKIPPED".to_owned() };
    Row { clean_s, cpu_s, incremental_s, binary_bytes, tree, advisories }
}

fn url(engine: &str, home: &Path) -> String {
    let place = match engine {
        "memory" => String::new(),
        _ => home.join(engine).display().to_string(),
    };
    // sled and memory claim no more than buffered, and for the others it makes no difference here.
    format!("{engine}:{place}?durability=buffered")
}

/// An application that opens a store by URL, writes a row and reads it back.
fn make_application(directory: &Path, features: &[&str]) {
    fs::create_dir_all(directory.join("src")).unwrap();
    let features: Vec<String> = features.iter().map(|name| format!("\"storage-{name}\"")).collect();
    let manifest = format!(
        "[package]\nname = \"application\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [workspace]\n\n[profile.release]\nstrip = true\n\n[dependencies.strongroom]\npath = '{}'\n\
         default-features = false\nfeatures = [{}]\n",
        workspace().join("crates/strongroom").display(),
        features.join(", ")
    );
    fs::write(directory.join("Cargo.toml"), manifest).unwrap();
    fs::copy(workspace().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    let main = "fn main() -> strongroom::Result<()> {\n    \
                let store = strongroom::open(&std::env::args().nth(1).unwrap_or_default())?;\n    \
                let rows = store.create_keyspace(\"rows\")?;\n    \
                rows.set(\"key\", \"value\")?;\n    \
                assert_eq!(rows.get(\"key\")?.as_deref(), Some(&b\"value\"[..]));\n    \
                Ok(())\n}\n";
    fs::write(directory.join("src/main.rs"), main).unwrap();
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// cargo in `directory`, with its target directory there, whatever the environment of this process says.
fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    command
}

/// Builds the application and returns the seconds that took.
fn build(application: &Path) -> f64 {
    let start = Instant::now();
    let status = cargo(application).args(["build", "--release", "--quiet", "--offline"]).status().unwrap();
    assert!(status.success(), "the build failed: see above");
    start.elapsed().as_secs_f64()
}

fn text(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn rustc() -> String {
    text(Command::new("rustc").arg("--version")).trim().to_owned()
}

/// CPU seconds of all child processes that were waited for; `None` where the system does not report them.
fn children_cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 16 and 17, in hundredths of a second. Split after the name, which may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}

/// The output of `cargo tree` for an application, on this platform, without the application itself.
struct Tree {
    crates: usize,
    native: BTreeSet<String>,
    licences: BTreeSet<String>,
}

impl Tree {
    fn read(application: &Path) -> Self {
        let arguments =
            ["tree", "--offline", "--edges", "normal,build", "--prefix", "depth", "--format", "|{p}|{l}|{f}"];
        Self::parse(&text(cargo(application).args(arguments)))
    }

    /// Reads lines such as `2|blake3 v1.8.7|MIT OR Apache-2.0|pure,std (*)`.
    fn parse(tree: &str) -> Self {
        let mut crates = BTreeSet::new();
        let mut licences = BTreeSet::new();
        let mut native = BTreeSet::new();
        // The name and features of the package at each depth above the current line.
        let mut above: Vec<(&str, &str)> = Vec::new();
        for line in tree.lines() {
            let [depth, package, licence, features] =
                line.split('|').collect::<Vec<_>>().try_into().expect(line);
            let depth: usize = depth.parse().expect(line);
            let mut words = package.split(' ');
            let (name, version) = (words.next().expect(line), words.next().expect(line));
            above.truncate(depth);
            if depth > 0 {
                crates.insert((name, version));
                licences.insert(spelled(licence));
            }
            if COMPILERS.contains(&name)
                && let Some((parent, features)) = above.last()
                && !COMPILERS.contains(parent)
                && !TAMED.iter().any(|(tamed, by)| tamed == parent && features.split(',').any(|f| f == *by))
            {
                native.insert((*parent).to_owned());
            }
            above.push((name, features.trim_end_matches("(*)").trim()));
        }
        Self { crates: crates.len(), native, licences }
    }
}

/// Normalizes a licence: some crates still write `MIT/Apache-2.0`, or use another order.
fn spelled(licence: &str) -> String {
    let licence = licence.replace('/', " OR ").replace(" OR  ", " OR ");
    if licence.contains(['(', '&']) || licence.contains(" AND ") || licence.contains(" WITH ") {
        return licence;
    }
    let mut choices: Vec<&str> = licence.split(" OR ").map(str::trim).collect();
    choices.sort_unstable();
    choices.join(" OR ")
}

fn listed(words: &BTreeSet<String>) -> String {
    if words.is_empty() { "none".to_owned() } else { words.iter().cloned().collect::<Vec<_>>().join("; ") }
}

/// Whether cargo-deny is installed and its database could be fetched.
fn fetch_advisories() -> bool {
    eprintln!("fetching the advisory database …");
    let mut command = cargo(&workspace());
    command.args(["deny", "fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The advisories and yanked crates that cargo-deny finds, without any exceptions.
fn findings(application: &Path) -> String {
    let rules = "[advisories]\nyanked = \"deny\"\nunmaintained = \"all\"\n";
    fs::write(application.join("deny.toml"), rules).unwrap();
    let output = cargo(application)
        .args(["deny", "--offline", "--format", "json", "check", "advisories"])
        .output()
        .unwrap();
    let report =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let mut found: BTreeSet<String> = report
        .match_indices("RUSTSEC-")
        .filter_map(|(at, _)| report.get(at..at + 17))
        .map(str::to_owned)
        .collect();
    let yanked = report.lines().filter(|line| line.contains("\"yanked\"")).count();
    if yanked > 0 {
        found.insert(format!("{yanked} yanked"));
    }
    // A failure that names no finding means that the check did not run.
    if found.is_empty() && !output.status.success() { "SKIPPED".to_owned() } else { listed(&found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_counted_without_its_root_and_repeated_lines() {
        let tree = Tree::parse(
            "0|application v0.0.0 (file)||\n\
             1|strongroom v0.1.0 (file)|MIT OR Apache-2.0|storage-lmdb\n\
             2|blake3 v1.8.7|CC0-1.0 OR Apache-2.0|pure,std\n\
             3|cc v1.0.0|MIT/Apache-2.0|\n\
             2|lmdb-sys v0.2.6|Apache-2.0|\n\
             3|cc v1.0.0|MIT/Apache-2.0| (*)\n",
        );
        assert_eq!(tree.crates, 4);
        assert_eq!(listed(&tree.native), "lmdb-sys");
        assert_eq!(listed(&tree.licences), "Apache-2.0; Apache-2.0 OR CC0-1.0; Apache-2.0 OR MIT");
    }

    #[test]
    fn a_tamed_crate_with_its_feature_off_counts_as_native() {
        let tree = Tree::parse("0|a v0.0.0||\n1|blake3 v1.8.7|CC0-1.0|std\n2|cc v1.0.0|MIT|\n");
        assert_eq!(listed(&tree.native), "blake3");
    }
}
