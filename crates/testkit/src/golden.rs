//! Golden files: expected output that is kept in the repository and compared exactly.

use std::fmt::Write;
use std::path::Path;
use strongroom_core::StorageBackend;

/// Renders the capabilities of each backend as a Markdown table.
///
/// ```
/// use strongroom_core::MemoryBackend;
///
/// let table = strongroom_testkit::capability_table(&[&MemoryBackend::in_memory()]);
/// assert!(table.contains("| persistent      | no           |"), "{table}");
/// ```
pub fn capability_table(backends: &[&dyn StorageBackend]) -> String {
    let mut columns: Vec<Vec<String>> = Vec::new();
    for backend in backends {
        let info = backend.engine();
        let yes_or_no = |declared: bool| if declared { "yes" } else { "no" }.to_owned();
        let mut column = vec![info.name.to_owned()];
        column.extend(info.capabilities.rows().map(|(_, declared)| yes_or_no(declared)));
        column.push(info.snapshots.to_owned());
        columns.push(column);
    }
    let mut names = vec![String::new()];
    if let Some(backend) = backends.first() {
        names.extend(backend.engine().capabilities.rows().map(|(name, _)| name.to_owned()));
    }
    names.push("snapshots".to_owned());
    columns.insert(0, names);
    markdown(&columns)
}

/// Renders columns of equal length as a Markdown table; the first row is the head.
pub(crate) fn markdown(columns: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let mut table = String::new();
    for row in 0..columns.first().map_or(0, Vec::len) {
        for (column, width) in columns.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(table, "| {:width$} ", column[row]);
        }
        table.push_str("|\n");
        if row == 0 {
            for width in &widths {
                let _ = write!(table, "|{}", "-".repeat(width + 2));
            }
            table.push_str("|\n");
        }
    }
    table
}

/// Asserts that `text` equals the file at `path`; with `UPDATE_GOLDEN=1` in the environment it writes the file
/// instead. Line endings are ignored, so that a checkout on Windows compares equal.
pub fn assert_golden(path: impl AsRef<Path>, text: &str) {
    let path = path.as_ref();
    let shown = path.display();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let parent = path.parent().unwrap_or(Path::new("."));
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, text));
        assert!(written.is_ok(), "cannot write {shown}: {written:?}");
        return;
    }
    let wanted = match std::fs::read_to_string(path) {
        Ok(wanted) => wanted.replace("\r\n", "\n"),
        Err(error) => panic!("cannot read {shown} ({error}); run again with UPDATE_GOLDEN=1 to write it"),
    };
    if let Some(difference) = first_difference(&wanted, text) {
        panic!("{shown} differs: {difference}\nIf the change is intended, run again with UPDATE_GOLDEN=1");
    }
}

fn first_difference(wanted: &str, found: &str) -> Option<String> {
    let (mut wanted_lines, mut found_lines) = (wanted.lines(), found.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (wanted_lines.next(), found_lines.next()) {
            (None, None) => return None,
            (wanted, found) if wanted == found => {}
            (wanted, found) => {
                let line = |line: Option<&str>| line.map_or("nothing".to_owned(), |line| format!("{line:?}"));
                return Some(format!("line {number}: {} expected, found {}", line(wanted), line(found)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_reported() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert_eq!(difference, "line 2: \"b\" expected, found \"c\"");
        assert_eq!(first_difference("a\n", "a\nb\n").unwrap(), "line 2: nothing expected, found \"b\"");
    }

    #[test]
    fn a_golden_file_that_is_missing_or_differs_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("golden.txt");
        assert!(std::panic::catch_unwind(|| assert_golden(&path, "text")).is_err());
        std::fs::write(&path, "one\r\ntwo\r\n").unwrap();
        assert_golden(&path, "one\ntwo\n");
        assert!(std::panic::catch_unwind(|| assert_golden(&path, "one\n2\n")).is_err());
    }
}
