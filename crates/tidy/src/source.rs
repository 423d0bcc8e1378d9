//! Checks of sources: short files, no unfinished code, no machine-specific paths, numbered invariants.

use std::collections::BTreeSet;

/// The most lines of a source file. Longer files mix several topics.
const LINES_MAX: usize = 600;

/// Reports a file that is too long.
pub fn check_length(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX).then(|| format!("{path} has {lines} lines: at most {LINES_MAX}, so split it"))
}

/// Reports calls of the macros for unfinished code.
pub fn check_unfinished(path: &str, text: &str) -> Vec<String> {
    // Composed here, so that this file does not match.
    ["todo", "unimplemented"]
        .into_iter()
        .filter(|name| text.contains(&format!("{name}!(")))
        .map(|name| format!("{path} calls {name}!: finish or remove it"))
        .collect()
}

/// Reports paths of directories that exist only on one machine.
pub fn check_machine_paths(path: &str, text: &str) -> Vec<String> {
    ["root", "work", "home"]
        .into_iter()
        .map(|top| format!("/{top}/"))
        .filter(|machine| text.match_indices(machine.as_str()).any(|(at, _)| starts_a_path(&text[..at])))
        .map(|machine| format!("{path} contains the path {machine}…: use a relative or temporary one"))
        .collect()
}

/// Whether a `/` after this text starts an absolute path, and is not within a relative path or a URL.
fn starts_a_path(before: &str) -> bool {
    !before.ends_with(|last: char| last.is_alphanumeric() || "._-~*}/)".contains(last))
}

/// Reports a crate root without module docs.
pub fn check_module_docs(path: &str, text: &str) -> Option<String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let has_docs = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    (!has_docs).then(|| format!("{path} does not open with module docs (`//!`): describe the crate"))
}

/// Returns the numbers that follow the word invariant in code or comments.
pub fn invariants_named(text: &str) -> BTreeSet<u32> {
    let lower = text.to_ascii_lowercase();
    let number = |at: usize, word: &str| {
        let rest = lower[at + word.len()..].trim_start_matches('s');
        let digits: String = rest.strip_prefix(' ')?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    lower.match_indices("invariant").filter_map(|(at, word)| number(at, word)).collect()
}

/// Returns the numbers with an entry, a line that starts with `N.` after optional Markdown characters.
pub fn invariants_listed(list: &str) -> BTreeSet<u32> {
    let entry = |line: &str| {
        let (number, _) = line.trim_start_matches(['#', '*', '-', '|', ' ']).split_once('.')?;
        number.parse().ok()
    };
    list.lines().filter_map(entry).collect()
}

/// Reports invariants that a file names but that have no entry.
pub fn check_invariants(path: &str, text: &str, listed: &BTreeSet<u32>) -> Vec<String> {
    invariants_named(text)
        .difference(listed)
        .map(|number| format!("{path} names invariant {number}: docs/INVARIANTS.md has no entry `{number}.`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_reported() {
        assert_eq!(check_length("a.rs", &"x\n".repeat(LINES_MAX)), None);
        let found = check_length("a.rs", &"x\n".repeat(LINES_MAX + 1));
        assert!(found.is_some_and(|text| text.starts_with("a.rs has 601 lines")));
    }

    #[test]
    fn unfinished_code_is_reported() {
        assert!(check_unfinished("a.rs", "let x = f();").is_empty());
        for name in ["todo", "unimplemented"] {
            let found = check_unfinished("a.rs", &format!("fn f() {{ {name}!(\"later\") }}"));
            assert_eq!(found.len(), 1, "{found:?}");
        }
    }

    #[test]
    fn a_machine_path_is_reported() {
        for top in ["root", "work", "home"] {
            for before in ["", "\"", " ", "cd ", "`", "=", "file:"] {
                let text = format!("x\n{before}/{top}/a");
                assert_eq!(check_machine_paths("a.rs", &text).len(), 1, "{text}");
            }
            for before in ["src", "..", "$dir/a", "https://example.org", "${x}", "~"] {
                let text = format!("{before}/{top}/a");
                assert!(check_machine_paths("a.rs", &text).is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn a_crate_without_docs_is_reported() {
        assert_eq!(check_module_docs("lib.rs", "\n//! What it is.\nfn f() {}"), None);
        for text in ["", "fn f() {}", "// A comment", "//!\n", "#![allow(x)]\n//! Late."] {
            assert!(check_module_docs("lib.rs", text).is_some(), "{text}");
        }
    }

    // The word is split in these texts, so that this file does not match.
    #[test]
    fn an_invariant_without_entry_is_reported() {
        let listed =
            invariants_listed("# Invariants\n\n1. One.\n2. Two, see 7.\n\n## 3. Three\n\n**4.** Four");
        assert_eq!(listed, BTreeSet::from([1, 2, 3, 4]));
        let text = format!("(in{0} 2) In{0} 12: in{0}s 3, in{0} by name, in{0}", "variant");
        assert_eq!(invariants_named(&text), BTreeSet::from([2, 3, 12]));
        let found = check_invariants("a.rs", &text, &listed);
        assert_eq!(found, [format!("a.rs names in{} 12: docs/INVARIANTS.md has no entry `12.`", "variant")]);
    }
}
