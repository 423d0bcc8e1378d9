//! Every crate has the workspace's lints. Who has to call what is unsafe has a copy of them, because cargo
//! cannot change a single inherited lint, and this check keeps the copy a copy.

/// The crates that may hold unsafe code, with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/backends/lmdb", "LMDB maps its file into memory, so to open one is unsafe"),
    ("crates/bench", "it opens LMDB by itself, to compare"),
    ("crates/powercut", "it opens LMDB by itself, to compare"),
];

/// Lines about unsafe code, which may differ.
fn is_about_unsafe(line: &str) -> bool {
    line.starts_with("unsafe_")
}

/// The lines of a table in a manifest, without comments, sorted.
fn table<'m>(manifest: &'m str, name: &str) -> Option<Vec<&'m str>> {
    let header = format!("[{name}]");
    let mut lines = manifest.lines().skip_while(|line| line.trim() != header);
    lines.next()?;
    let body = lines.map(str::trim).take_while(|line| !line.starts_with('['));
    let mut found: Vec<_> = body.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    found.sort_unstable();
    Some(found)
}

/// What is wrong with the lints of the crate in `directory`.
pub fn check(directory: &str, manifest: &str, workspace: &str) -> Vec<String> {
    if table(manifest, "lints").is_some_and(|lines| lines == ["workspace = true"]) {
        return Vec::new();
    }
    if !UNSAFE.iter().any(|(allowed, _)| *allowed == directory) {
        return vec![format!(
            "{directory} has lints of its own: inherit those of the workspace. If it must call what is unsafe, add \
             it to UNSAFE in crates/tidy/src/lints.rs with the reason"
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
        .map(|tool| format!("{directory}: its lints for {tool} are not those of the workspace"))
        .collect();
    if !table(manifest, "lints.rust").unwrap_or_default().contains(&"unsafe_code = \"deny\"") {
        problems.push(format!("{directory}: unsafe_code is to be denied, and allowed where it is needed"));
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
    fn inherited_lints_and_faithful_copies_are_fine() {
        let none: [String; 0] = [];
        assert_eq!(check("crates/core", "[lints]\nworkspace = true\n", WORKSPACE), none);
        assert_eq!(check("crates/bench", COPY, WORKSPACE), none);
    }

    #[test]
    fn who_has_no_reason_inherits() {
        assert_eq!(check("crates/core", COPY, WORKSPACE).len(), 1);
        assert_eq!(check("crates/core", "[package]\n", WORKSPACE).len(), 1);
        assert_eq!(check("crates/core", "[lints]\nworkspace = false\n", WORKSPACE).len(), 1);
    }

    #[test]
    fn a_copy_that_differs_is_named() {
        let lax = COPY.replace("panic = \"warn\"", "panic = \"allow\"");
        assert!(check("crates/bench", &lax, WORKSPACE)[0].contains("clippy"));
        let open = COPY.replace("unsafe_code = \"deny\"", "unsafe_code = \"allow\"");
        assert!(check("crates/bench", &open, WORKSPACE)[0].contains("unsafe_code"));
        assert_eq!(check("crates/bench", "[lints.rust]\n", WORKSPACE).len(), 3);
    }
}
