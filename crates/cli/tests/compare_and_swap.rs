//! `cas`: a key changes only if its value is as expected.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use support::{Sandbox, url, urls};

#[test]
fn a_key_changes_if_its_value_is_as_expected() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        // Creates the store and the keyspace.
        assert_eq!(sandbox.run(["cas", &url, "lease", "--absent", "ada", "-k", "leases"]).text(), "");
        let get = || sandbox.run(["get", &url, "lease", "-k", "leases"]).text();
        assert_eq!(get(), "ada");
        assert_eq!(sandbox.run(["cas", &url, "lease", "--expect", "ada", "", "-k", "leases"]).text(), "");
        assert_eq!(get(), "", "an empty value is not an absent one");
        assert_eq!(
            sandbox.run(["cas", &url, "lease", "--expect", "", "hex:00ff", "-k", "leases"]).text(),
            ""
        );
        sandbox.run(["cas", &url, "lease", "--expect", "hex:00FF", "-1", "-k", "leases"]).text();
        sandbox.run(["cas", &url, "lease", "--expect", "-1", "done", "-k", "leases"]).text();
        assert_eq!(get(), "done");
    }
}

#[test]
fn a_failed_condition_is_reported_and_changes_nothing() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        sandbox.run(["put", &url, "a", "secret"]).text();
        let cas = |arguments: &[&str]| sandbox.run([&["cas", &url], arguments].concat());
        for (arguments, told) in [
            (&["a", "--absent", "new"][..], "the key \"a\" exists already"),
            (&["a", "--expect", "", "new"], "the value of \"a\" is not as expected"),
            (&["a", "--expect", "secret ", "new"], "the value of \"a\" is not as expected"),
            (&["b", "--expect", "secret", "new"], "the key \"b\" does not exist"),
            (&["a", "--expect", "secret", "new", "-k", "other"], "there is no keyspace \"other\""),
        ] {
            let line = cas(arguments).failed(1, &[told]);
            assert!(!line.contains("secret"), "no value is printed: {line}");
        }
        assert_eq!(sandbox.run(["scan", &url]).text(), "a\tsecret\n");
        assert_eq!(sandbox.run(["keyspaces", &url]).text(), "default\n");
    }
}

#[test]
fn only_an_expected_absence_creates_a_store() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        sandbox.run(["cas", &url, "a", "--expect", "1", "2"]).failed(2, &["there is no store in data"]);
        assert!(sandbox.files(".").len() == 1, "{url}");
    }
    let url = url("data");
    let query = if url.contains('?') { '&' } else { '?' };
    let limited = format!("{url}{query}value_bytes_max=1B");
    for (arguments, told) in [
        (vec!["cas", &url, "", "--absent", "1"], "key is empty"),
        (vec!["cas", &url, "hex:q", "--absent", "1"], "KEY"),
        (vec!["cas", &url, "a", "--absent", "hex:q"], "NEW"),
        (vec!["cas", &url, "a", "--expect", "hex:q", "1"], "--expect"),
        (vec!["cas", &url, "a", "--absent", "1", "-k", "_own"], "\"_own\""),
        (vec!["cas", &limited, "a", "--absent", "12"], "2 bytes"),
    ] {
        sandbox.run(&arguments).failed(2, &[told]);
    }
    // Wrong usage, reported by clap.
    for (arguments, told) in [
        (vec!["cas", &url, "a", "1"], "--expect"),
        (vec!["cas", &url, "a", "--absent", "--expect", "0", "1"], "cannot be used with"),
        (vec!["cas", &url, "a", "--absent"], "<NEW>"),
    ] {
        let ran = sandbox.run(&arguments);
        assert!(ran.status == 2 && ran.errors.contains(told), "{ran:?}");
    }
    assert!(sandbox.files(".").len() == 1, "nothing was created");
}
