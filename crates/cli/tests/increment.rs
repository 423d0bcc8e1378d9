//! `incr`: adds to a number, and leaves other values unchanged.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use support::{Sandbox, url, urls};

#[test]
fn an_increment_stores_and_prints_the_sum() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        // Creates the store and the keyspace.
        assert_eq!(sandbox.run(["incr", &url, "visits", "-k", "counters"]).text(), "1\n");
        assert_eq!(sandbox.run(["incr", &url, "visits", "41", "-k", "counters"]).text(), "42\n");
        assert_eq!(sandbox.run(["incr", &url, "visits", "-50", "-k", "counters"]).text(), "-8\n");
        assert_eq!(sandbox.run(["get", &url, "visits", "-k", "counters"]).text(), "-8");
        sandbox.run(["put", &url, "visits", "-1"]).text();
        assert_eq!(sandbox.run(["incr", &url, "visits", "0"]).text(), "-1\n", "a keyspace of its own");
        assert_eq!(
            sandbox.run(["incr", &url, "-1", "-9223372036854775808"]).text(),
            "-9223372036854775808\n"
        );
    }
}

#[test]
fn a_value_that_is_not_a_number_or_a_sum_that_overflows_is_refused() {
    let sandbox = Sandbox::new();
    for url in urls("data") {
        for value in ["", "one", "01", "+1", "1.0", " 1", "9223372036854775808", "hex:ff"] {
            sandbox.run(["put", &url, "a", value]).text();
            let before = sandbox.run(["scan", &url, "--format", "jsonl"]).text();
            sandbox.run(["incr", &url, "a"]).failed(2, &["not a counter", "decimal"]);
            assert_eq!(sandbox.run(["scan", &url, "--format", "jsonl"]).text(), before, "{value:?}");
        }
        for (value, by) in [("9223372036854775807", "1"), ("-2", "-9223372036854775807")] {
            sandbox.run(["put", &url, "a", value]).text();
            sandbox.run(["incr", &url, "a", by]).failed(2, &["overflows"]);
            assert_eq!(sandbox.run(["get", &url, "a"]).text(), value);
        }
    }
}

#[test]
fn bad_input_creates_no_store() {
    let sandbox = Sandbox::new();
    let url = url("data");
    for (arguments, told) in [
        (vec!["incr", &url, ""], "key is empty"),
        (vec!["incr", &url, "hex:q"], "KEY"),
        (vec!["incr", &url, "a", "-k", "_own"], "\"_own\""),
    ] {
        sandbox.run(&arguments).failed(2, &[told]);
    }
    for by in ["one", "1.5", "", "9223372036854775808"] {
        let ran = sandbox.run(["incr", &url, "a", by]);
        assert!(ran.status == 2 && ran.errors.contains("[BY]"), "{ran:?}");
    }
    assert!(sandbox.files(".").len() == 1, "nothing was created");
}
