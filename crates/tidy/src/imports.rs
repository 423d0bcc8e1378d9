//! Who imports whom: imports point down, and siblings never see each other.

/// A package of the workspace and the names of what it depends on.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// Its directory below the workspace's root, with `/`.
    pub dir: String,
    /// What it depends on, build dependencies too.
    pub normal: Vec<String>,
    /// What its tests and examples depend on.
    pub dev: Vec<String>,
}

/// What a room may import from the workspace, and from outside of it.
struct Room {
    /// The room's directory; `*` at the end stands for one name.
    dir: &'static str,
    normal: Names,
    /// In tests and examples, besides `normal`.
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
    /// These crates and no others.
    Only(&'static [&'static str]),
    /// The engine of its directory, and no other crate.
    OwnEngine,
    /// Any crate that is not an engine.
    NoEngine,
    Any,
}

const ADMIN: &str = "strongroom-admin";
const CORE: &str = "strongroom-core";
const STORE: &str = "strongroom-store";
const TESTKIT: &str = "strongroom-testkit";

/// The rooms. A new one gets its line here and in `docs/ARCHITECTURE.md`.
const ROOMS: &[Room] = &[
    Room {
        dir: "crates/core",
        normal: Names::Only(&[]),
        dev: Names::Only(&[]),
        outside: Outside::Only(&["arc-swap", "boxcar", "bytes", "rustix", "serde"]),
    },
    Room {
        dir: "crates/backends/*",
        normal: Names::Only(&[CORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::OwnEngine,
    },
    Room {
        dir: "crates/store",
        normal: Names::Only(&[CORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room {
        dir: "crates/admin",
        normal: Names::Only(&[CORE, STORE]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room {
        dir: "crates/component",
        normal: Names::Only(&[STORE]),
        dev: Names::Only(&[CORE, TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room {
        dir: "crates/migrate",
        normal: Names::Only(&[STORE]),
        dev: Names::Only(&[CORE, TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room {
        dir: "crates/testkit",
        normal: Names::Only(&[CORE, STORE]),
        // Itself, with the feature that its own tests need.
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room {
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
    Room {
        dir: "crates/cli",
        normal: Names::Only(&["strongroom"]),
        dev: Names::Only(&[TESTKIT]),
        outside: Outside::NoEngine,
    },
    Room { dir: "crates/bench", normal: Names::Any, dev: Names::Any, outside: Outside::Any },
    // Like the benchmark, it looks at the layer and at the raw engines beside it. Its harness knows neither: they are
    // subjects behind a feature.
    Room {
        dir: "crates/powercut",
        normal: Names::Only(&["strongroom"]),
        dev: Names::Only(&[]),
        outside: Outside::Any,
    },
    Room {
        dir: "crates/tidy",
        normal: Names::Only(&[]),
        dev: Names::Only(&[]),
        outside: Outside::Only(&["cargo_metadata", "proc-macro2", "syn"]),
    },
];

/// The crates that are engines or bind one, by the directory of the backend that may use them.
const ENGINES: &[(&str, &[&str])] = &[
    ("fjall", &["fjall", "lsm-tree"]),
    ("lmdb", &["heed", "lmdb-master-sys"]),
    ("redb", &["redb"]),
    ("rocksdb", &["rocksdb", "librocksdb-sys"]),
    ("sled", &["sled"]),
    ("sqlite", &["rusqlite", "libsqlite3-sys"]),
];

/// What any backend may use beside its engine: handles that borrow from what they keep open and calls of the operating
/// system, both without unsafe code, and the checksum of its files.
const BESIDE_ENGINES: &[&str] = &["rustix", "self_cell", "xxhash-rust"];

/// The packages that import what their room may not, and those that have no room.
pub fn check(packages: &[Package]) -> Vec<String> {
    let inside = |name: &String| packages.iter().any(|package| &package.name == name);
    let mut problems = Vec::new();
    for package in packages {
        let Package { name, dir, normal, dev } = package;
        // A package that names itself in its tests turns on its own features.
        let dev: Vec<&String> = dev.iter().filter(|import| *import != name).collect();
        let Some(room) = room_of(dir) else {
            problems.push(format!(
                "{name} ({dir}) has no room: add a line for it to ROOMS in crates/tidy/src/imports.rs and to \
                 the table of rooms in docs/ARCHITECTURE.md, saying what it may import"
            ));
            continue;
        };
        for import in normal.iter().filter(|import| inside(import)) {
            if !room.normal.allow(import) {
                problems.push(format!("{name} imports {import}: the room {} may not", room.dir));
            }
        }
        for import in dev.iter().copied().filter(|import| inside(import)) {
            if !room.dev.allow(import) && !room.normal.allow(import) {
                problems.push(format!("{name} imports {import} in tests: the room {} may not", room.dir));
            }
        }
        // In tests and examples any outside crate may help, but for another backend's engine.
        for import in normal.iter().filter(|import| !inside(import)) {
            if !may_use(room, dir, import) {
                problems.push(format!("{name} uses the crate {import}: the room {} may not", room.dir));
            }
        }
        for import in dev.iter().copied().filter(|import| !inside(import)) {
            if is_engine(import) && !may_use(room, dir, import) {
                problems.push(format!("{name} uses the engine {import} in tests: it is another room's"));
            }
        }
    }
    problems
}

fn room_of(dir: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| match room.dir.strip_suffix('*') {
        Some(parent) => dir.strip_prefix(parent).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        None => room.dir == dir,
    })
}

fn is_engine(import: &str) -> bool {
    ENGINES.iter().any(|(_, crates)| crates.contains(&import))
}

fn may_use(room: &Room, dir: &str, import: &str) -> bool {
    match room.outside {
        Outside::Only(names) => names.contains(&import),
        Outside::NoEngine => !is_engine(import),
        Outside::Any => true,
        Outside::OwnEngine => {
            let own = dir.rsplit('/').next().unwrap_or_default();
            let is_own = |(backend, crates): &(&str, &[&str])| *backend == own && crates.contains(&import);
            BESIDE_ENGINES.contains(&import) || ENGINES.iter().any(is_own)
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

    /// The packages that are there in every case, and one more.
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
    fn what_points_down_is_allowed() {
        let none: [String; 0] = [];
        let dev = ["strongroom-testkit", "tempfile"];
        assert_eq!(problems(package("a", "crates/backends/sled", &["strongroom-core", "sled"], &dev)), none);
        assert_eq!(problems(package("a", "crates/cli", &["strongroom", "clap"], &dev)), none);
        assert_eq!(problems(package("a", "crates/admin", &["strongroom-store", "serde"], &dev)), none);
        assert_eq!(problems(package("a", "crates/migrate", &["strongroom-store"], &["a"])), none);
        assert_eq!(problems(package("a", "crates/bench", &["strongroom", "sled", "redb"], &[])), none);
    }

    #[test]
    fn siblings_do_not_see_each_other() {
        let found = problems(package("a", "crates/backends/sled", &["strongroom-redb"], &[]));
        assert_eq!(found, ["a imports strongroom-redb: the room crates/backends/* may not"]);
        let found = problems(package("a", "crates/backends/sled", &[], &["strongroom-redb"]));
        assert_eq!(found, ["a imports strongroom-redb in tests: the room crates/backends/* may not"]);
    }

    #[test]
    fn imports_do_not_point_up() {
        let found = problems(package("a", "crates/backends/sled", &["strongroom-store"], &[]));
        assert_eq!(found, ["a imports strongroom-store: the room crates/backends/* may not"]);
        let found = problems(package("a", "crates/cli", &["strongroom-store"], &[]));
        assert_eq!(found, ["a imports strongroom-store: the room crates/cli may not"]);
        let found = problems(package("a", "crates/admin", &["strongroom", "strongroom-redb"], &[]));
        assert_eq!(
            found,
            [
                "a imports strongroom: the room crates/admin may not",
                "a imports strongroom-redb: the room crates/admin may not"
            ]
        );
        // What tests may import, the library may not.
        let found = problems(package("a", "crates/cli", &["strongroom-testkit"], &[]));
        assert_eq!(found, ["a imports strongroom-testkit: the room crates/cli may not"]);
    }

    #[test]
    fn an_engine_belongs_to_its_backend() {
        let found = problems(package("a", "crates/backends/sled", &["redb"], &[]));
        assert_eq!(found, ["a uses the crate redb: the room crates/backends/* may not"]);
        let found = problems(package("a", "crates/backends/sled", &["serde"], &[]));
        assert_eq!(found, ["a uses the crate serde: the room crates/backends/* may not"]);
        let found = problems(package("a", "crates/cli", &["redb"], &["sled"]));
        assert_eq!(
            found,
            [
                "a uses the crate redb: the room crates/cli may not",
                "a uses the engine sled in tests: it is another room's"
            ]
        );
    }

    #[test]
    fn an_unknown_package_says_how_to_add_it() {
        for dir in ["crates/new", "crates/backends/sled/more", "crates/backends/"] {
            let found = problems(package("a", dir, &[], &[]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("add a line for it to ROOMS"), "{found:?}");
        }
    }
}
