//! Checks that the default build compiles no C, so that a C compiler is needed only for engines that require one.
//!
//! A package is suspect if its manifest has a `links` key, or if its build depends on a crate that runs a C compiler.
//! `cargo tree` resolves the graph separately for each default member of the workspace, because other members may
//! enable more features.

use std::collections::BTreeSet;

/// Crates whose purpose is to compile or find native code from a build script.
const COMPILERS: &[&str] =
    &["autotools", "bindgen", "cc", "cmake", "cxx-build", "nasm-rs", "pkg-config", "system-deps", "vcpkg"];

/// Packages that depend on one of those, but do not use it while a feature is on.
const TAMED: &[(&str, &str)] = &[("blake3", "pure")];

/// One line of the tree.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    depth: usize,
    name: &'a str,
    version: &'a str,
    features: Vec<&'a str>,
}

/// Returns the problems of a graph printed by `cargo tree --prefix depth --format '{p}|{f}'`. `links` are the
/// names and versions of packages with a `links` key.
pub fn check(tree: &str, links: &[(String, String)]) -> Vec<String> {
    let mut problems = BTreeSet::new();
    let mut above: Vec<Line<'_>> = Vec::new();
    for text in tree.lines().filter(|text| !text.is_empty()) {
        let Some(line) = parse(text) else {
            problems.insert(format!("cannot parse this line of the tree: {text}"));
            continue;
        };
        above.truncate(line.depth);
        if links.iter().any(|(name, version)| name == line.name && version == line.version) {
            problems.insert(format!("{} {} links a native library", line.name, line.version));
        }
        // Dependencies of a compiler crate do not count: the package that uses the compiler is reported.
        let parent = above.last().filter(|parent| !COMPILERS.contains(&parent.name));
        if let Some(parent) = parent
            && COMPILERS.contains(&line.name)
        {
            match TAMED.iter().find(|(name, _)| *name == parent.name) {
                Some((_, feature)) if parent.features.contains(feature) => {}
                Some((name, feature)) => {
                    problems.insert(format!("{name} compiles C: its feature `{feature}` is off"));
                }
                None => {
                    problems.insert(format!(
                        "{} {} builds with {}: if it does not run a compiler, add it to TAMED in \
                         crates/tidy/src/native.rs with the feature that prevents it",
                        parent.name, parent.version, line.name
                    ));
                }
            }
        }
        above.push(line);
    }
    problems.into_iter().collect()
}

/// Parses a line such as `2blake3 v1.8.7 (proc-macro)|pure,std (*)`.
fn parse(text: &str) -> Option<Line<'_>> {
    let (package, features) = text.split_once('|')?;
    let digits = package.bytes().take_while(u8::is_ascii_digit).count();
    let (depth, package) = package.split_at(digits);
    let mut words = package.split(' ');
    let name = words.next().filter(|name| !name.is_empty())?;
    let version = words.next()?.strip_prefix('v')?;
    let features = features.trim_end_matches("(*)").trim().split(',').collect();
    Some(Line { depth: depth.parse().ok()?, name, version, features })
}

#[cfg(test)]
mod tests {
    use super::check;

    const CLEAN: &str = "0cli v0.1.0 (/a b/cli)|default\n\
                         1blake3 v1.8.7|pure,std\n\
                         2cc v1.2.0|\n\
                         3shlex v1.0.0|\n\
                         1blake3 v1.8.7|pure,std (*)\n\
                         1derive v1.0.0 (proc-macro)|\n";

    #[test]
    fn a_tamed_crate_is_allowed() {
        let none: [String; 0] = [];
        assert_eq!(check(CLEAN, &[]), none);
        assert_eq!(check(CLEAN, &[("derive".into(), "2.0.0".into())]), none);
    }

    #[test]
    fn a_tamed_crate_without_its_feature_is_reported() {
        let found = check(&CLEAN.replace("pure,", ""), &[]);
        assert_eq!(found, ["blake3 compiles C: its feature `pure` is off"]);
    }

    #[test]
    fn a_crate_that_compiles_c_is_reported() {
        for compiler in ["cc", "cmake", "bindgen"] {
            let tree = format!("0cli v0.1.0|\n1other v2.0.0|\n2{compiler} v1.0.0|\n");
            let found = check(&tree, &[]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("other 2.0.0 builds with {compiler}")), "{found:?}");
        }
    }

    #[test]
    fn a_links_key_is_reported() {
        let found = check(CLEAN, &[("derive".into(), "1.0.0".into())]);
        assert_eq!(found, ["derive 1.0.0 links a native library"]);
    }

    #[test]
    fn the_depth_determines_which_crate_depends_on_the_compiler() {
        // The compiler belongs to `b`, not to blake3, which comes before at the same depth.
        let found = check("0a v1.0.0|\n1blake3 v1.0.0|pure\n1b v1.0.0|\n2cc v1.0.0|\n", &[]);
        assert!(found.len() == 1 && found[0].starts_with("b 1.0.0 builds with cc"), "{found:?}");
    }

    #[test]
    fn an_unparsable_line_is_reported() {
        assert_eq!(check("├── cc v1.0.0|", &[]).len(), 1);
    }
}
