//! Runs the real command in a directory of its own.

#![allow(dead_code)] // Each test file uses a part.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The engines of this build, with the query that their URLs need.
pub fn engines() -> Vec<(&'static str, &'static str)> {
    let all = [
        (cfg!(feature = "storage-redb"), ("redb", "")),
        (cfg!(feature = "storage-fjall"), ("fjall", "")),
        (cfg!(feature = "storage-sled"), ("sled", sleds_query())),
        (cfg!(feature = "storage-rocksdb"), ("rocksdb", "")),
        (cfg!(feature = "storage-sqlite"), ("sqlite", "")),
        (cfg!(feature = "storage-lmdb"), ("lmdb", "")),
    ];
    all.into_iter().filter(|(is_compiled, _)| *is_compiled).map(|(_, engine)| engine).collect()
}

/// The query of sled's URLs: whether sled claims power-safe commits depends on the file system.
fn sleds_query() -> &'static str {
    static QUERY: OnceLock<&str> = OnceLock::new();
    QUERY.get_or_init(|| {
        let put = Sandbox::new().run(["put", "sled:data", "a", "1"]);
        if put.status == 0 { "" } else { "?durability=buffered" }
    })
}

/// A URL of each engine, for the store `name`.
pub fn urls(name: &str) -> Vec<String> {
    engines().into_iter().map(|(engine, query)| format!("{engine}:{name}-{engine}{query}")).collect()
}

/// A URL for the store `name` of the first engine in this build.
pub fn url(name: &str) -> String {
    let (engine, query) = engines()[0];
    format!("{engine}:{name}{query}")
}

pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.args(arguments).current_dir(self.directory.path());
        command.env_remove("RUST_BACKTRACE").env_remove("COLUMNS").stdin(Stdio::null());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub fn run_with_input<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Ran {
        let mut child = self.spawn(arguments);
        // The command may stop before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::of(child.wait_with_output().unwrap())
    }

    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Every file below `name`, or below the sandbox for `.`, with its bytes.
    pub fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(name), &mut files);
        files
    }
}

fn collect(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if path.is_dir() {
        files.insert(path.to_owned(), Vec::new());
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), files);
        }
    } else if path.exists() {
        files.insert(path.to_owned(), std::fs::read(path).unwrap());
    }
}

#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub output: Vec<u8>,
    pub errors: String,
}

impl Ran {
    pub fn of(output: std::process::Output) -> Self {
        let errors = String::from_utf8(output.stderr).unwrap();
        Self { status: output.status.code().unwrap_or(-1), output: output.stdout, errors }
    }

    /// Asserts success and returns the output.
    #[track_caller]
    pub fn text(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        String::from_utf8(self.output).unwrap()
    }

    /// Asserts a failure with `status` and one line that contains all of `named`, and returns the line.
    #[track_caller]
    pub fn failed(self, status: i32, named: &[&str]) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.errors.lines().count(), 1, "one line: {self:?}");
        assert!(self.errors.starts_with("strongroom: ") && self.errors.ends_with('\n'), "{self:?}");
        for name in named {
            assert!(self.errors.contains(name), "names {name:?}: {self:?}");
        }
        self.errors
    }
}

/// A CSV file of `rows` rows with unsorted keys of the form `row-0000001`.
pub fn csv(rows: usize) -> String {
    let mut text = String::from("id,name\n");
    for row in 1..=rows {
        writeln!(text, "{},the name of row {row}", key(row)).unwrap();
    }
    text
}

/// The key of a row of [`csv`].
pub fn key(row: usize) -> String {
    // A prime larger than any number of rows in these tests: every row has a distinct key.
    format!("row-{:07}", row * 7_919 % 1_000_003)
}

/// Compares `text` with the file `tests/golden/NAME`, or writes it if `UPDATE_GOLDEN` is set.
#[track_caller]
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs; UPDATE_GOLDEN=1 rewrites it");
}
