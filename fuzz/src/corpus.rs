//! Runs the stored corpus in the tests of the crates whose parsers are fuzzed.

use std::path::Path;

/// Calls `property` with every file in `fuzz/corpus/TARGET`. Prints each file name first, so that the last line
/// names a failing input.
pub(crate) fn for_each(target: &str, property: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is empty: the test would be empty");
    for file in files {
        println!("{}", file.display());
        property(&std::fs::read(&file).unwrap());
    }
}
