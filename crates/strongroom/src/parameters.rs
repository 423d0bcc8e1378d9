//! The parameters of a URL in one table, which URLs, error messages and docs/OPTIONS.md follow.
//!
//! A new option is a field of [`Config`], its place in `Config::backend_options` or `Config::store_options`, and a row
//! here. The tests below fail if one of the three is missing.

use crate::config::{ByteSize, Config};
use std::str::FromStr;
use strongroom_core::{Compression, Durability, Error, ErrorKind, Result, parse_bytes};
use strongroom_store::Integrity;

/// A parameter of a URL, which is also a field of a [`Config`].
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name in a URL and in a file.
    pub(crate) name: &'static str,
    field: Field,
    /// The documentation in docs/OPTIONS.md. The tests read the example, which is not the default.
    #[cfg_attr(not(test), expect(dead_code))]
    docs: Docs,
}

/// The field of a parameter, by the type of its values.
#[derive(Debug)]
enum Field {
    Flag(fn(&mut Config) -> &mut bool),
    Size(fn(&mut Config) -> &mut Option<ByteSize>),
    Milliseconds(fn(&mut Config) -> &mut Option<u64>),
    Count(fn(&mut Config) -> &mut Option<usize>),
    Durability(fn(&mut Config) -> &mut Durability),
    Compression(fn(&mut Config) -> &mut Option<Compression>),
    Integrity(fn(&mut Config) -> &mut Option<Integrity>),
}

/// A row of a table in docs/OPTIONS.md.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code))]
struct Docs {
    of: Of,
    example: &'static str,
    meaning: &'static str,
    default: &'static str,
}

/// Whose option a parameter is.
#[derive(Debug)]
#[cfg_attr(not(test), expect(dead_code))]
enum Of {
    /// The backend's, with its place in `Options`.
    Backend(&'static str),
    Store,
}

/// What options of the engine begin with: `option.NAME`.
pub(crate) const ENGINE_OPTION: &str = "option.";

/// All parameters but those of the engine ([`ENGINE_OPTION`]), in the order of docs/OPTIONS.md.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "cache",
        field: Field::Size(|config| &mut config.cache),
        docs: Docs {
            of: Of::Backend("`cache_bytes`"),
            example: "256MiB",
            meaning: "memory for the engine's cache",
            default: "the engine's own default, below",
        },
    },
    Parameter {
        name: "durability",
        field: Field::Durability(|config| &mut config.durability),
        docs: Docs {
            of: Of::Backend("(given with each commit)"),
            example: "buffered",
            meaning: "durability of commits that give none; on the command line, `--durability` overrides it",
            default: "`power-safe`; an engine that does not claim it is refused",
        },
    },
    Parameter {
        name: "compression",
        field: Field::Compression(|config| &mut config.compression),
        docs: Docs {
            of: Of::Backend("`compression`"),
            example: "lz4",
            meaning: "how the engine compresses rows in its files: `none`, `lz4`, `zstd`",
            default: "the engine's own default",
        },
    },
    Parameter {
        name: "background_threads",
        field: Field::Count(|config| &mut config.background_threads),
        docs: Docs {
            of: Of::Backend("`background_threads`"),
            example: "2",
            meaning: "threads with which the engine flushes and compacts",
            default: "the engine's own default",
        },
    },
    Parameter {
        name: "read_only",
        field: Field::Flag(|config| &mut config.read_only),
        docs: Docs {
            of: Of::Backend("`read_only`"),
            example: "true",
            meaning: "refuses every write and creates no store (SQLite may create its `-wal` and `-shm`, LMDB its \
                      `lock.mdb`)",
            default: "`false`",
        },
    },
    Parameter {
        name: "create",
        field: Field::Flag(|config| &mut config.create),
        docs: Docs {
            of: Of::Backend("`create`"),
            example: "false",
            meaning: "whether a missing store is created; with `false` it is an error",
            default: "`true`",
        },
    },
    Parameter {
        name: "undo_bytes_max",
        field: Field::Size(|config| &mut config.undo_bytes_max),
        docs: Docs {
            of: Of::Backend("`undo_bytes_max`"),
            example: "64MiB",
            meaning: "memory for the old values that open snapshots need; engines with snapshots of their own use none",
            default: "256 MiB",
        },
    },
    Parameter {
        name: "integrity",
        field: Field::Integrity(|config| &mut config.integrity),
        docs: Docs {
            of: Of::Store,
            example: "full",
            meaning: "when the store is created: `rows` keeps a checksum in each row; `full` also keeps a row count \
                      and a multiset hash for each keyspace, so that `Store::verify` detects a missing row. With `full`, a \
                      write reads the row that it replaces. The setting cannot change: load the rows into a new store",
            default: "the store's own setting; `rows` for a new store",
        },
    },
    Parameter {
        name: "accept_lost_tail",
        field: Field::Flag(|config| &mut config.accept_lost_tail),
        docs: Docs {
            of: Of::Store,
            example: "true",
            meaning: "opens a store that has lost its newest commits or its high-water mark, with the commits that are \
                      left; it gets a new high-water mark",
            default: "`false`: such a store is refused",
        },
    },
    Parameter {
        name: "sweep_interval_ms",
        field: Field::Milliseconds(|config| &mut config.sweep_interval_ms),
        docs: Docs {
            of: Of::Store,
            example: "100",
            meaning: "how often expired rows are removed from the disk, in milliseconds; 0: only by `Store::sweep`. \
                      Reads do not depend on it",
            default: "1,000",
        },
    },
    Parameter {
        name: "snapshot_age_max_ms",
        field: Field::Milliseconds(|config| &mut config.snapshot_age_max_ms),
        docs: Docs {
            of: Of::Store,
            example: "60000",
            meaning: "how long a snapshot, a scan or a transaction may be open, in milliseconds. An older one \
                      returns `SnapshotExpired` and pins nothing. With a limit, such readers copy the rows that they read",
            default: "no limit: the engine keeps everything that an open reader may still see, and `strongroom stats` \
                      names the oldest reader",
        },
    },
    Parameter {
        name: "key_bytes_max",
        field: Field::Size(|config| &mut config.key_bytes_max),
        docs: Docs {
            of: Of::Store,
            example: "511",
            meaning: "longest key accepted",
            default: "1,024 bytes, which is also the maximum",
        },
    },
    Parameter {
        name: "value_bytes_max",
        field: Field::Size(|config| &mut config.value_bytes_max),
        docs: Docs {
            of: Of::Store,
            example: "1MiB",
            meaning: "largest value accepted",
            default: "16 MiB, which is also the maximum",
        },
    },
    Parameter {
        name: "queue_bytes_max",
        field: Field::Size(|config| &mut config.queue_bytes_max),
        docs: Docs {
            of: Of::Store,
            example: "8MiB",
            meaning: "size of the commits that may wait in the queue; beyond it, a commit blocks",
            default: "64 MiB",
        },
    },
];

impl Parameter {
    /// Sets the parameter to a value from a URL.
    pub(crate) fn set(&self, config: &mut Config, value: &str) -> Result<()> {
        match self.field {
            Field::Flag(of) => *of(config) = self.parse(value, "write true or false")?,
            Field::Size(of) => *of(config) = Some(ByteSize(parse_bytes(value)?)),
            Field::Milliseconds(of) => *of(config) = Some(self.parse(value, WHOLE_NUMBER)?),
            Field::Count(of) => *of(config) = Some(self.parse(value, WHOLE_NUMBER)?),
            Field::Durability(of) => *of(config) = value.parse()?,
            Field::Compression(of) => *of(config) = Some(value.parse()?),
            Field::Integrity(of) => *of(config) = Some(value.parse()?),
        }
        Ok(())
    }

    fn parse<T: FromStr>(&self, value: &str, hint: &'static str) -> Result<T> {
        value.parse().map_err(|_| {
            Error::new(ErrorKind::InvalidInput, format!("{} cannot be {value:?}", self.name)).hint(hint)
        })
    }

    /// Returns the value as a URL has it; none if it is not set.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn get(&self, config: &Config) -> Option<String> {
        // The table has one accessor for each field, which can also write.
        let config = &mut config.clone();
        match self.field {
            Field::Flag(of) => Some(of(config).to_string()),
            Field::Size(of) => of(config).map(|size| size.to_string()),
            Field::Milliseconds(of) => of(config).map(|ms| ms.to_string()),
            Field::Count(of) => of(config).map(|count| count.to_string()),
            Field::Durability(of) => Some(of(config).to_string()),
            Field::Compression(of) => of(config).map(|compression| compression.to_string()),
            Field::Integrity(of) => of(config).map(|integrity| integrity.to_string()),
        }
    }
}

const WHOLE_NUMBER: &str = "write a whole number, such as 2";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::path::Path;
    use strongroom_testkit::assert_golden;

    /// The defaults, but for the parameter's example.
    fn example(parameter: &Parameter) -> Config {
        let mut config = Config::new("redb", "data");
        parameter.set(&mut config, parameter.docs.example).unwrap();
        config
    }

    #[test]
    fn every_field_of_a_config_is_a_parameter() {
        // serde lists the fields where it does not know one.
        let error = toml::from_str::<Config>("engine = 'redb'\nno_such_field = 1").unwrap_err().to_string();
        let (_, listed) = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}"));
        let mut fields: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        fields.retain(|field| !["engine", "path", "options"].contains(field));
        let mut names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        fields.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, fields);
    }

    #[test]
    fn a_parameter_means_the_same_in_a_file_and_round_trips() {
        for parameter in PARAMETERS {
            let (name, value) = (parameter.name, parameter.docs.example);
            let config = example(parameter);
            let is_bare = value.parse::<bool>().is_ok() || value.parse::<u64>().is_ok();
            let value_in_file = if is_bare { value.to_owned() } else { format!("'{value}'") };
            let file = format!("engine = 'redb'\npath = 'data'\n{name} = {value_in_file}");
            assert_eq!(toml::from_str::<Config>(&file).unwrap(), config, "{name}");
            let mut again = Config::new("redb", "data");
            parameter.set(&mut again, &parameter.get(&config).unwrap()).unwrap();
            assert_eq!(again, config, "{name}");
        }
    }

    #[test]
    fn every_parameter_reaches_the_backend_or_the_store() {
        let options = |config: &Config| (config.backend_options(), config.store_options().unwrap());
        let default = options(&Config::new("redb", "data"));
        for parameter in PARAMETERS {
            let changed = options(&example(parameter));
            assert_ne!(changed, default, "{} changes nothing, or its example is the default", parameter.name);
            let is_only_the_stores = changed.0 == default.0;
            let documented_so = matches!(parameter.docs.of, Of::Store) || parameter.name == "durability";
            assert_eq!(is_only_the_stores, documented_so, "{}", parameter.name);
        }
    }

    /// The rows of the backend's table, or of the store's.
    fn table(of_backend: bool) -> String {
        let mut table = if of_backend {
            "| URL, `Config` | `Options` | Meaning | Default |\n|---|---|---|---|\n".to_owned()
        } else {
            "| URL, `Config` | Meaning | Default |\n|---|---|---|\n".to_owned()
        };
        for Parameter { name, docs: Docs { of, example, meaning, default }, .. } in PARAMETERS {
            match of {
                Of::Backend(options) if of_backend => {
                    writeln!(table, "| `{name}={example}` | {options} | {meaning} | {default} |").unwrap();
                }
                Of::Store if !of_backend => {
                    writeln!(table, "| `{name}={example}` | {meaning} | {default} |").unwrap();
                }
                _ => {}
            }
        }
        if of_backend {
            let meaning = "an option of the engine, by its own name";
            writeln!(table, "| `{ENGINE_OPTION}NAME=VALUE` | `engine` | {meaning} | |").unwrap();
        }
        table
    }

    /// `UPDATE_GOLDEN=1 cargo test -p strongroom parameters` writes the tables anew.
    #[test]
    fn the_tables_in_the_documentation_are_these() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPTIONS.md");
        let mut page = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        for (mark, of_backend) in [("of the backend", true), ("of the store", false)] {
            let (begin, end) = (format!("<!-- options {mark}: "), format!("<!-- end {mark} -->\n"));
            let from = page.find(&begin).unwrap_or_else(|| panic!("docs/OPTIONS.md lacks {begin:?}"));
            let from = from + page[from..].find('\n').unwrap() + 1;
            let to = page.find(&end).unwrap_or_else(|| panic!("docs/OPTIONS.md lacks {end:?}"));
            page.replace_range(from..to, &format!("\n{}\n", table(of_backend)));
        }
        assert_golden(path, &page);
    }
}
