//! Stores of every engine that this build has.

#![allow(dead_code)] // Each test file uses a part.
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::path::Path;
use strongroom::{Config, Durability, Registry, Store};

/// The engines that keep files.
pub fn on_disk() -> Vec<&'static str> {
    let registry = Registry::builtin();
    let engines: Vec<_> =
        registry.drivers().filter(|driver| driver.is_on_disk()).map(|driver| driver.info().name).collect();
    let expected = if cfg!(feature = "storage-all") { 6 } else { 1 };
    assert!(engines.len() >= expected, "only {engines:?} are in this build");
    engines
}

/// A configuration that every engine accepts: power-safe where it is claimed.
pub fn config(engine: &str, path: &Path) -> Config {
    let registry = Registry::builtin();
    let claims = registry.driver(engine).unwrap().info().capabilities.power_safe;
    let path = if engine == "memory" { Path::new("") } else { path };
    let durability = if claims { Durability::PowerSafe } else { Durability::Buffered };
    Config::new(engine, path).durability(durability)
}

/// Opens or creates a store of `engine` in `path`.
pub fn open(engine: &str, path: &Path) -> Store {
    match Registry::builtin().open_config(&config(engine, path)) {
        Ok(store) => store,
        Err(error) => panic!("{engine}: {}", error.one_line()),
    }
}

/// Names and contents of all files below `path`.
pub fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.push((entry.display().to_string(), std::fs::read(&entry).unwrap()));
        }
    }
    found.sort();
    found
}
