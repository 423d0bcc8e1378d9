//! Checks that the engine version a backend reports is the one that is compiled in.

/// Backends whose engine version is in `Cargo.lock`, with its package. The other backends query their C code in their
/// own tests.
const PACKAGES: &[(&str, &str)] =
    &[("fjall", "fjall"), ("redb", "redb"), ("rocksdb", "librocksdb-sys"), ("sled", "sled")];

/// Returns the problems of a backend, from its `engine.rs` and the `Cargo.lock`.
pub fn check(backend: &str, source: &str, lock: &str) -> Vec<String> {
    let Some((_, package)) = PACKAGES.iter().find(|(name, _)| *name == backend) else { return Vec::new() };
    let Some(locked) = after(lock, &format!("name = \"{package}\"\nversion = \"")) else {
        return vec![format!("Cargo.lock has no {package}, the engine of backend {backend}")];
    };
    // The version of a binding contains the engine's: 0.19.0+11.8.1.
    let locked = locked.split_once('+').map_or(locked, |(_, engine)| engine);
    let Some(said) = after(source, "version: \"") else {
        return vec![format!("backend {backend} reports no version in src/engine.rs")];
    };
    let is_it = locked.strip_prefix(said).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if is_it {
        return Vec::new();
    }
    vec![format!(
        "backend {backend} reports version {said} in src/engine.rs, but {package} in Cargo.lock is {locked}: \
         see CONTRIBUTING.md on updating an engine"
    )]
}

/// Returns the text after `start`, up to the next quotation mark.
fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once('"').map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::check;

    const LOCK: &str = "[[package]]\nname = \"redb\"\nversion = \"4.6.0\"\nsource = \"r\"\n\n\
        [[package]]\nname = \"librocksdb-sys\"\nversion = \"0.19.0+11.8.1\"\n";

    fn says(version: &str) -> String {
        format!("const INFO: EngineInfo = EngineInfo {{\n    name: \"x\",\n    version: \"{version}\",\n}};")
    }

    #[test]
    fn the_compiled_in_version_is_accepted() {
        for version in ["4.6", "4.6.0", "4"] {
            assert_eq!(check("redb", &says(version), LOCK), [""; 0]);
        }
        assert_eq!(check("rocksdb", &says("11.8"), LOCK), [""; 0]);
        // The backend's own tests query its C code.
        assert_eq!(check("sqlite", &says("1"), LOCK), [""; 0]);
    }

    #[test]
    fn an_outdated_version_is_reported() {
        for (backend, version) in
            [("redb", "4.5"), ("redb", "4.60"), ("redb", "4.6.0.1"), ("rocksdb", "0.19")]
        {
            let found = check(backend, &says(version), LOCK);
            assert_eq!(found.len(), 1, "{backend} {version}: {found:?}");
            assert!(found[0].contains(version), "{found:?}");
        }
        assert_eq!(check("sled", &says("0.34"), LOCK).len(), 1);
        assert_eq!(check("redb", "", LOCK).len(), 1);
    }
}
