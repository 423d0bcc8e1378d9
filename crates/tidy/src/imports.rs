//! Checks imports between crates: imports point down, and siblings never import each other.

/// A package of the workspace and the names of its dependencies.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its directory relative to the workspace's root, with `/`.
    pub dir: String,
    /// Its dependencies, including build dependencies.
    pub normal: Vec<String>,
    /// The dependencies of its tests and examples.
    pub dev: Vec<String>,
}

/// What the packages of a directory may import from the workspace and from outside.
struct Rule {
    /// The directory; `*` at the end stands for one name.
    dir: &'static str,
    normal: Names,
    /// In tests and examples, in addition to `normal`.
    dev: Names,
    outside: Outside,
}

enum Names {
    Only(&'static [&'static str]),
    Any,
}

impl Names {
    fn allow(&self, name: &str) -> bool {
        match self {
            Names::Only(names) => names.contains(&name),
            Names::Any => true,
        }
    }
}

enum Outside {
    /// Only these crates.
    Only(&'static [&'static str]),
    /// The engine of its directory, and the crates that any backend may use.
    OwnEngine,
    /// Any crate that is not an engine.
    NoEngine,
    Any,
}

const ADMIN: &str = "strongroom-admin";
const CORE: &str = "strongroom-core";
const STORE: &str = "strongroom-store";
const TESTKIT: &str = "strongroom-testkit";

/// The import rules. A new directory needs a rule here and a line in `docs/ARCHITECTURE.md`.
const RULES: &[Rule] = &[
    Rule {
        dir: "crates/core",
        normal: Names::Only(&[]),
        dev: Names::Only(&[]),
        outside: Outside::Only(&["arc-swap", "boxcar", "bytes", "rustix", "serde"]),
    },
    Rule {
        dir: "crates/backends/*",
        normal: Names::Only(&[CORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::OwnEngine,
    },
    Rule {
        dir: "crates/store",
        normal: Names::Only(&[CORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/admin",
        normal: Names::Only(&[CORE, STORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/component",
        normal: Names::Only(&[STORE]),
        dev: Names::Only(&[CORE, TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/migrate",
        normal: Names::Only(&[STORE]),
        dev: Names::Only(&[CORE, TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/testkit",
        normal: Names::Only(&[CORE, STORE]),
        // It depends on itself, with the feature that its own tests need.
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/strongroom",
        normal: Names::Only(&[
            ADMIN,
            CORE,
            STORE,
            "strongroom-component",
            "strongroom-fjall",
            "strongroom-lmdb",
            "strongroom-migrate",
            "strongroom-redb",
            "strongroom-rocksdb",
            "strongroom-sled",
            "strongroom-sqlite",
        ]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule {
        dir: "crates/cli",
        normal: Names::Only(&["strongroom"]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Rule { dir: "crates/bench", normal: Names::Any, dev: Names::Any, outside: Outside::Any },
    // Like the benchmark, it compares the layer with the raw engines. Its harness depends on neither: they are
    // subjects behind a feature.
    Rule {
        dir: "crates/powercut",
        normal: Names::Only(&["strongroom"]),
        dev: Names::Only(&[]),
        outside: Outside::Any,
    },
    Rule {
        dir: "crates/tidy",
        normal: Names::Only(&[]),
        dev: Names::Only(&[]),
        outside: Outside::Only(&["cargo_metadata", "proc-macro2", "syn"]),
    },
];

/// Crates that are an engine or bind one, by the directory of the backend that may use them.
const ENGINES: &[(&str, &[&str])] = &[
    ("fjall", &["fjall", "lsm-tree"]),
    ("lmdb", &["heed", "lmdb-master-sys"]),
    ("redb", &["redb"]),
    ("rocksdb", &["rocksdb", "librocksdb-sys"]),
    ("sled", &["sled"]),
    ("sqlite", &["rusqlite", "libsqlite3-sys"]),
];

/// Crates that any backend may use in addition to its engine: for self-referential handles and system calls, both
/// without unsafe code, and for checksums of its files.
const WITH_ANY_ENGINE: &[&str] = &["rustix", "self_cell", "xxhash-rust"];

/// Returns the imports that no rule allows, and the packages without a rule.
pub fn check(packages: &[Package]) -> Vec<String> {
    let inside = |name: &String| packages.iter().any(|package| &package.name == name);
    let mut problems = Vec::new();
    for package in packages {
        let Package { name, dir, normal, dev } = package;
        // A package that depends on itself in its tests only enables its own features.
        let dev: Vec<&String> = dev.iter().filter(|import| *import != name).collect();
        let Some(rule) = rule_of(dir) else {
            problems.push(format!(
                "{name} ({dir}) has no import rule: add one to RULES in crates/tidy/src/imports.rs, and a line to \
                 the table of crates in docs/ARCHITECTURE.md"
            ));
            continue;
        };
        for import in normal.iter().filter(|import| inside(import)) {
            if !rule.normal.allow(import) {
                problems.push(format!("{name} imports {import}: not allowed in {}", rule.dir));
            }
        }
        for import in dev.iter().copied().filter(|import| inside(import)) {
            if !rule.dev.allow(import) && !rule.normal.allow(import) {
                problems.push(format!("{name} imports {import} in tests: not allowed in {}", rule.dir));
            }
        }
        // Tests and examples may use any outside crate except another backend's engine.
        for import in normal.iter().filter(|import| !inside(import)) {
            if !may_use(rule, dir, import) {
                problems.push(format!("{name} uses the crate {import}: not allowed in {}", rule.dir));
            }
        }
        for import in dev.iter().copied().filter(|import| !inside(import)) {
            if is_engine(import) && !may_use(rule, dir, import) {
                problems
                    .push(format!("{name} uses the engine {import} in tests: it belongs to another backend"));
            }
        }
    }
    problems
}

fn rule_of(dir: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| match rule.dir.strip_suffix('*') {
        Some(parent) => dir.strip_prefix(parent).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        None => rule.dir == dir,
    })
}

fn is_engine(import: &str) -> bool {
    ENGINES.iter().any(|(_, crates)| crates.contains(&import))
}

fn may_use(rule: &Rule, dir: &str, import: &str) -> bool {
    match rule.outside {
        Outside::Only(names) => names.contains(&import),
        Outside::NoEngine => !is_engine(import),
        Outside::Any => true,
        Outside::OwnEngine => {
            let own = dir.rsplit('/').next().unwrap_or_default();
            let is_own = |(backend, crates): &(&str, &[&str])| *backend == own && crates.contains(&import);
            WITH_ANY_ENGINE.contains(&import) || ENGINES.iter().any(is_own)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Package, check};

    fn package(name: &str, dir: &str, normal: &[&str], dev: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Package { name: name.into(), dir: dir.into(), normal: owned(normal), dev: owned(dev) }
    }

    /// Checks the basic packages and one more.
    fn problems(extra: Package) -> Vec<String> {
        check(&[
            package("strongroom-core", "crates/core", &["bytes"], &[]),
            package("strongroom-redb", "crates/backends/redb", &["strongroom-core", "redb"], &[]),
            package("strongroom-store", "crates/store", &["strongroom-core"], &["strongroom-testkit"]),
            package("strongroom-testkit", "crates/testkit", &["strongroom-core", "strongroom-store"], &[]),
            package("strongroom", "crates/strongroom", &["strongroom-store", "strongroom-redb"], &[]),
            extra,
        ])
    }

    #[test]
    fn imports_that_point_down_are_allowed() {
        let none: [String; 0] = [];
        let dev = ["strongroom-testkit", "tempfile"];
        assert_eq!(problems(package("a", "crates/backends/sled", &["strongroom-core", "sled"], &dev)), none);
        assert_eq!(problems(package("a", "crates/cli", &["strongroom", "clap"], &dev)), none);
        assert_eq!(problems(package("a", "crates/admin", &["strongroom-store", "serde"], &dev)), none);
        assert_eq!(problems(package("a", "crates/migrate", &["strongroom-store"], &["a"])), none);
        assert_eq!(problems(package("a", "crates/bench", &["strongroom", "sled", "redb"], &[])), none);
    }

    #[test]
    fn siblings_may_not_import_each_other() {
        let found = problems(package("a", "crates/backends/sled", &["strongroom-redb"], &[]));
        assert_eq!(found, ["a imports strongroom-redb: not allowed in crates/backends/*"]);
        let found = problems(package("a", "crates/backends/sled", &[], &["strongroom-redb"]));
        assert_eq!(found, ["a imports strongroom-redb in tests: not allowed in crates/backends/*"]);
    }

    #[test]
    fn imports_that_point_up_are_reported() {
        let found = problems(package("a", "crates/backends/sled", &["strongroom-store"], &[]));
        assert_eq!(found, ["a imports strongroom-store: not allowed in crates/backends/*"]);
        let found = problems(package("a", "crates/cli", &["strongroom-store"], &[]));
        assert_eq!(found, ["a imports strongroom-store: not allowed in crates/cli"]);
        let found = problems(package("a", "crates/admin", &["strongroom", "strongroom-redb"], &[]));
        assert_eq!(
            found,
            [
                "a imports strongroom: not allowed in crates/admin",
                "a imports strongroom-redb: not allowed in crates/admin"
            ]
        );
        // The library may not import what its tests may.
        let found = problems(package("a", "crates/cli", &["strongroom-testkit"], &[]));
        assert_eq!(found, ["a imports strongroom-testkit: not allowed in crates/cli"]);
    }

    #[test]
    fn an_engine_belongs_to_its_backend() {
        let found = problems(package("a", "crates/backends/sled", &["redb"], &[]));
        assert_eq!(found, ["a uses the crate redb: not allowed in crates/backends/*"]);
        let found = problems(package("a", "crates/backends/sled", &["serde"], &[]));
        assert_eq!(found, ["a uses the crate serde: not allowed in crates/backends/*"]);
        let found = problems(package("a", "crates/cli", &["redb"], &["sled"]));
        assert_eq!(
            found,
            [
                "a uses the crate redb: not allowed in crates/cli",
                "a uses the engine sled in tests: it belongs to another backend"
            ]
        );
    }

    #[test]
    fn a_package_without_a_rule_is_reported_with_a_hint() {
        for dir in ["crates/new", "crates/backends/sled/more", "crates/backends/"] {
            let found = problems(package("a", dir, &[], &[]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("add one to RULES"), "{found:?}");
        }
    }
}
