//! Checks that every crate has the workspace's lints. A crate that needs unsafe code has a copy of them, because
//! cargo cannot override a single inherited lint, and this check keeps the copies equal.

/// Crates that may contain unsafe code, with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/backends/lmdb", "LMDB maps its file into memory, so opening one is unsafe"),
    ("crates/bench", "it opens raw LMDB for comparison"),
    ("crates/powercut", "it opens raw LMDB for comparison"),
];

/// Whether a line is about unsafe code, and may differ.
fn is_about_unsafe(line: &str) -> bool {
    line.starts_with("unsafe_")
}

/// Returns the lines of a table in a manifest, sorted and without comments.
fn table<'m>(manifest: &'m str, name: &str) -> Option<Vec<&'m str>> {
    let header = format!("[{name}]");
    let mut lines = manifest.lines().skip_while(|line| line.trim() != header);
    lines.next()?;
    let body = lines.map(str::trim).take_while(|line| !line.starts_with('['));
    let mut found: Vec<_> = body.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    found.sort_unstable();
    Some(found)
}

/// Returns the problems of the lints of the crate in `directory`.
pub fn check(directory: &str, manifest: &str, workspace: &str) -> Vec<String> {
    if table(manifest, "lints").is_some_and(|lines| lines == ["workspace = true"]) {
        return Vec::new();
    }
    if !UNSAFE.iter().any(|(allowed, _)| *allowed == directory) {
        return vec![format!(
            "{directory} does not inherit the lints of the workspace: use `workspace = true`. If it needs unsafe \
             code, add it to UNSAFE in crates/tidy/src/lints.rs with the reason"
        )];
    }
    let differs = |tool: &str| {
        let without = |manifest, name: &str| {
            table(manifest, name)
                .map(|lines| lines.into_iter().filter(|line| !is_about_unsafe(line)).collect::<Vec<_>>())
        };
        without(manifest, &format!("lints.{tool}")) != without(workspace, &format!("workspace.lints.{tool}"))
    };
    let tools = ["rust", "clippy"].into_iter().filter(|tool| differs(tool));
    let mut problems: Vec<_> = tools
        .map(|tool| format!("{directory}: its lints for {tool} differ from those of the workspace"))
        .collect();
    if !table(manifest, "lints.rust").unwrap_or_default().contains(&"unsafe_code = \"deny\"") {
        problems
            .push(format!("{directory}: unsafe_code must be denied, and allowed only where it is needed"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::check;

    const WORKSPACE: &str = "[workspace.lints.rust]\nmissing_docs = \"warn\"\nunsafe_code = \"forbid\"\n\n\
                             [workspace.lints.clippy]\n# why\npanic = \"warn\"\n[profile.release]\n";
    const COPY: &str = "[lints.rust]\nmissing_docs = \"warn\"\nunsafe_code = \"deny\"\n\
                        [lints.clippy]\npanic = \"warn\"\n";

    #[test]
    fn inherited_lints_and_equal_copies_are_allowed() {
        let none: [String; 0] = [];
        assert_eq!(check("crates/core", "[lints]\nworkspace = true\n", WORKSPACE), none);
        assert_eq!(check("crates/bench", COPY, WORKSPACE), none);
    }

    #[test]
    fn a_crate_without_a_reason_must_inherit() {
        assert_eq!(check("crates/core", COPY, WORKSPACE).len(), 1);
        assert_eq!(check("crates/core", "[package]\n", WORKSPACE).len(), 1);
        assert_eq!(check("crates/core", "[lints]\nworkspace = false\n", WORKSPACE).len(), 1);
    }

    #[test]
    fn a_different_copy_is_reported() {
        let lax = COPY.replace("panic = \"warn\"", "panic = \"allow\"");
        assert!(check("crates/bench", &lax, WORKSPACE)[0].contains("clippy"));
        let open = COPY.replace("unsafe_code = \"deny\"", "unsafe_code = \"allow\"");
        assert!(check("crates/bench", &open, WORKSPACE)[0].contains("unsafe_code"));
        assert_eq!(check("crates/bench", "[lints.rust]\n", WORKSPACE).len(), 3);
    }
}
