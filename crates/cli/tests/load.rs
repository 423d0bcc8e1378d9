//! `load`: formats, duplicates, and the rows that are kept before a bad row.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use support::{Sandbox, csv, key, url, urls};

/// Loads `input` with more arguments, and returns the rows of the store as `scan` prints them.
fn load(sandbox: &Sandbox, url: &str, arguments: &[&str], input: &str) -> String {
    let all = [&["load", url, "-"], arguments].concat();
    let ran = sandbox.run_with_input(&all, input.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.errors, "", "a pipe gets no message");
    sandbox.run(["scan", url]).text()
}

#[test]
fn each_format_is_stored_as_json() {
    let sandbox = Sandbox::new();
    for url in urls("csv") {
        let input = "id,name\n2,\"b, \"\"c\"\"\nd\"\n1,é\n";
        let stored = load(&sandbox, &url, &["--format", "csv", "--key", "id"], input);
        assert_eq!(
            stored,
            "1\t{\"id\":\"1\",\"name\":\"é\"}\n2\t{\"id\":\"2\",\"name\":\"b, \\\\\"c\\\\\"\\\\nd\"}\n"
        );
    }
    let stored = load(&sandbox, &url("tsv"), &["--format", "tsv", "--key", "id"], "id\tname\r\n1\t\"a\n");
    assert_eq!(stored, "1\t{\"id\":\"1\",\"name\":\"\\\\\"a\"}\n");
    let input = "{ \"n\" : 1.50, \"id\" : 7 }\n\n{\"id\":\"a b\",\"x\":[1, {}]}\n";
    let stored = load(&sandbox, &url("jsonl"), &["--format", "jsonl", "--key", "id"], input);
    assert_eq!(stored, "7\t{\"n\":1.50,\"id\":7}\na b\t{\"id\":\"a b\",\"x\":[1,{}]}\n");
}

#[test]
fn the_value_is_the_row_byte_for_byte() {
    let sandbox = Sandbox::new();
    let url = url("data");
    load(&sandbox, &url, &["--format", "csv", "--key", "b"], "a,b\n\"x\ny\",k\n");
    assert_eq!(sandbox.run(["get", &url, "k"]).text(), "{\"a\":\"x\\ny\",\"b\":\"k\"}");
}

#[test]
fn columns_without_a_header_are_numbered() {
    let sandbox = Sandbox::new();
    let arguments = ["--format", "tsv", "--key", "2", "--no-header"];
    assert_eq!(
        load(&sandbox, &url("tsv"), &arguments, "a\tb\nc\td\n"),
        "b\t{\"1\":\"a\",\"2\":\"b\"}\nd\t{\"1\":\"c\",\"2\":\"d\"}\n"
    );
    let arguments = ["--format", "csv", "--key", "1", "--no-header"];
    assert_eq!(load(&sandbox, &url("csv"), &arguments, "a,b\n"), "a\t{\"1\":\"a\",\"2\":\"b\"}\n");
    assert_eq!(load(&sandbox, &url("none"), &arguments, ""), "");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let sandbox = Sandbox::new();
    for format in ["csv", "tsv"] {
        let arguments = ["--format", format, "--key", "id"];
        assert_eq!(load(&sandbox, &url(format), &arguments, "\u{feff}id\n1\n"), "1\t{\"id\":\"1\"}\n");
    }
    let arguments = ["--format", "jsonl", "--key", "id"];
    assert_eq!(load(&sandbox, &url("jsonl"), &arguments, "\u{feff}{\"id\":1}"), "1\t{\"id\":1}\n");
}

#[test]
fn a_duplicate_stops_is_skipped_or_overwrites() {
    let sandbox = Sandbox::new();
    // The keys descend, so each is looked up. Row 3 repeats row 1 within a batch, row 5 repeats row 2 across batches.
    let input = "id,n\nc,1\nb,2\nc,3\na,4\nb,5\n";
    for (batch, url) in [("10", "once"), ("1", "each"), ("2", "pairs")]
        .into_iter()
        .flat_map(|(batch, name)| urls(name).into_iter().map(move |url| (batch, url)))
    {
        let arguments = ["--format", "csv", "--key", "id", "--batch-rows", batch];
        let with = |mode| [&arguments[..], &["--on-duplicate", mode]].concat();
        let n = |a, b, c| {
            format!(
                "a\t{{\"id\":\"a\",\"n\":\"{a}\"}}\nb\t{{\"id\":\"b\",\"n\":\"{b}\"}}\nc\t{{\"id\":\"c\",\"n\":\"{c}\"}}\n"
            )
        };
        assert_eq!(load(&sandbox, &url, &with("first"), input), n(4, 2, 1), "{url}");
        assert_eq!(load(&sandbox, &url, &with("first"), "id,n\na,9\nb,9\n"), n(4, 2, 1), "{url}");
        assert_eq!(load(&sandbox, &url, &with("last"), input), n(4, 5, 3), "{url}");
        let digest = sandbox.run(["digest", &url]).text();
        let all = [&["load", &url, "-"], &with("error")[..]].concat();
        sandbox
            .run_with_input(&all, b"id,n\na,10\n")
            .failed(2, &["row 1 (line 2)", "\"a\"", "stored already", "no row is stored"]);
        assert_eq!(sandbox.run(["digest", &url]).text(), digest, "nothing was overwritten");
    }
}

#[test]
fn a_duplicate_reports_both_rows_and_the_rows_that_are_stored() {
    let sandbox = Sandbox::new();
    let input = "id\nc\nb\na\nb\n";
    let load = |url: &str, batch: &str| {
        let arguments = ["load", url, "-", "--format", "csv", "--key", "id", "--batch-rows", batch];
        sandbox.run_with_input(arguments, input.as_bytes())
    };
    for url in urls("one") {
        load(&url, "10").failed(2, &["row 4 (line 5)", "\"b\"", "row 2", "no row is stored"]);
        assert_eq!(sandbox.run(["count", &url]).text(), "0\n");
    }
    for url in urls("two") {
        load(&url, "2").failed(2, &["row 4 (line 5)", "stored already", "rows 1 to 2 are stored"]);
        assert_eq!(sandbox.run(["scan", &url, "--keys-only"]).text(), "b\nc\n");
    }
}

#[test]
fn a_bad_row_is_reported_and_the_batches_before_it_are_kept() {
    let sandbox = Sandbox::new();
    let good = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";
    let long = "k".repeat(1_025);
    let cases: [(&str, &str, String, &str); 9] = [
        ("csv", "id,n\n3,1\n2,2\n1,3\n", "x\n".into(), "1 field"),
        ("csv", "id,n\n3,1\n2,2\n1,3\n", "x,1,2\n".into(), "3 fields"),
        ("csv", "id,n\n3,1\n2,2\n1,3\n", ",1\n".into(), "empty"),
        ("csv", "id,n\n3,1\n2,2\n1,3\n", format!("{long},1\n"), "1025 bytes"),
        ("tsv", "id\tn\n3\t1\n2\t2\n1\t3\n", "x\n".into(), "1 field"),
        ("jsonl", good, "{\"id\":4".into(), "not a JSON object"),
        ("jsonl", good, "{\"no\":4}\n".into(), "no member \"id\"; it has \"no\""),
        ("jsonl", good, "{\"id\":null}\n".into(), "neither text nor a number"),
        ("jsonl", good, "{\"id\":\"\"}\n".into(), "empty"),
    ];
    for (at, (format, head, bad, named)) in cases.iter().enumerate() {
        let url = url(&format!("data-{at}"));
        let line = head.lines().count() + 1;
        let arguments = ["load", &url, "-", "--format", format, "--key", "id", "--batch-rows", "2"];
        let place = format!("row 4 (line {line})");
        let told = sandbox.run_with_input(arguments, format!("{head}{bad}").as_bytes());
        told.failed(2, &[&place, named, "rows 1 to 2 are stored", "--on-duplicate first"]);
        assert_eq!(sandbox.run(["count", &url]).text(), "2\n", "{named}");
    }
    for (format, head, bad) in [
        ("csv", "id\n1\n", &b"\xff\n"[..]),
        ("tsv", "id\n1\n", b"\xff\n"),
        ("jsonl", "{\"id\":1}\n", b"\xff\n"),
    ] {
        let url = url(format);
        let arguments = ["load", &url, "-", "--format", format, "--key", "id", "--batch-rows", "1"];
        let told = sandbox.run_with_input(arguments, &[head.as_bytes(), bad].concat());
        told.failed(2, &["row 2 (line", "not UTF-8", "row 1 is stored"]);
    }
}

#[test]
fn an_endless_row_is_refused_before_memory_is_full() {
    let sandbox = Sandbox::new();
    let input = [&b"id,n\n1,a\n2,\""[..], &vec![b'x'; 70 * 1_024 * 1_024]].concat();
    let url = url("data");
    let arguments = ["load", &url, "-", "--format", "csv", "--key", "id", "--batch-rows", "1"];
    let told = sandbox.run_with_input(arguments, &input);
    told.failed(2, &["row 2", "quote left open", "row 1 is stored"]);
}

#[test]
fn the_advice_to_continue_fits_the_mode() {
    let sandbox = Sandbox::new();
    for (mode, advice) in [("error", "first"), ("first", "first"), ("last", "last")] {
        let url = url(mode);
        let arguments = ["--format", "csv", "--key", "id", "--batch-rows", "2", "--on-duplicate", mode];
        let all = [&["load", &url, "-"], &arguments[..]].concat();
        let told = sandbox.run_with_input(&all, b"id,n\na,1\nb,2\nc\n");
        told.failed(2, &["row 3", &format!("load again with --on-duplicate {advice};"), "rows 1 to 2"]);
    }
}

#[test]
fn a_quote_that_is_left_open_is_reported() {
    let sandbox = Sandbox::new();
    for (name, input, arguments) in [
        ("end", &b"id,n\n1,a\n2,\"b\n3,c\n"[..], &["--key", "id"][..]),
        ("next", b"id,n\n1,a\n2,\"b\n3,\"c\"\n4,d\n", &["--key", "id"]),
        ("numbered", b"1,a\n2,\"b\n", &["--key", "1", "--no-header"]),
    ] {
        let url = url(name);
        let all = [&["load", &url, "-", "--format", "csv", "--batch-rows", "1"], arguments].concat();
        let told = sandbox.run_with_input(&all, input);
        told.failed(2, &["row 2 (line", "a quote is left open", "row 1 is stored"]);
        assert_eq!(sandbox.run(["count", &url]).text(), "1\n", "{name}");
    }
    let url = url("fine");
    let arguments = ["load", &url, "-", "--format", "csv", "--key", "id"];
    sandbox.run_with_input(arguments, b"id,n\n1,5\" pipe\n2,\"\"\"\"\n3,\"x\"").text();
    assert_eq!(sandbox.run(["count", &url]).text(), "3\n");
}

#[test]
fn a_row_over_the_limits_of_the_url_creates_no_store() {
    let sandbox = Sandbox::new();
    let limited = |limit: &str| {
        let url = url("data");
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}{limit}")
    };
    for (limit, named) in [("key_bytes_max=4", "limit is 4"), ("value_bytes_max=10", "limit is 10")] {
        let url = limited(limit);
        let load = ["load", &url, "-", "--format", "csv", "--key", "id"];
        sandbox.run_with_input(load, b"id\nlonger\n").failed(2, &["row 1 (line 2)", named]);
        sandbox.run(["put", &url, "longer", "a value of over ten bytes"]).failed(2, &[limit_of(named)]);
    }
    assert_eq!(sandbox.files(".").len(), 1, "no store was created");
}

fn limit_of(named: &str) -> &str {
    named.rsplit(' ').next().unwrap()
}

#[test]
fn a_value_over_the_limit_is_refused() {
    let sandbox = Sandbox::new();
    let input = [&b"id,n\n1,"[..], &vec![b'x'; 17 * 1_024 * 1_024], b"\n"].concat();
    let url = url("data");
    let told = sandbox.run_with_input(["load", &url, "-", "--format", "csv", "--key", "id"], &input);
    told.failed(2, &["row 1 (line 2)", "limit is 16777216", "no row is stored"]);
    assert!(!sandbox.path("data").exists(), "no store was created");
}

#[test]
fn a_batch_has_8_mib_at_most() {
    let sandbox = Sandbox::new();
    // 10 rows of 1 MiB, then a bad one: the first 8 filled a batch.
    let row = |row: usize| format!("{row},{}\n", "x".repeat(1_024 * 1_024));
    let input = format!("id,n\n{}bad\n", (1..=10).map(row).collect::<String>());
    let url = url("data");
    let arguments = ["load", &url, "-", "--format", "csv", "--key", "id"];
    sandbox.run_with_input(arguments, input.as_bytes()).failed(2, &["rows 1 to 8 are stored"]);
    assert_eq!(sandbox.run(["count", &url]).text(), "8\n");
}

#[test]
fn mistakes_before_the_first_row_create_no_store() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", "id,n\n1,2\n");
    sandbox.write("twice.csv", "id,id\n1,2\n");
    sandbox.write("empty.csv", "");
    sandbox.write("short.csv", "id,n\n1\n");
    sandbox.write("binary.csv", b"id,\xff\n1,2\n");
    sandbox.write("open.csv", "id,n\n1,\"2\n");
    sandbox.write("mac.tsv", "id\tn\r1\t2\r");
    sandbox.write("twice.jsonl", "{\"id\":1,\"id\":2}\n");
    let before = sandbox.files(".");
    let url = url("data");
    let csv = |file, key| vec!["load", &url, file, "--format", "csv", "--key", key];
    for (arguments, named) in [
        (csv("good.csv", "nope"), &["\"nope\"", "\"id\", \"n\""][..]),
        (csv("twice.csv", "id"), &["two columns", "\"id\""]),
        (csv("empty.csv", "id"), &["empty.csv", "empty"]),
        (csv("short.csv", "id"), &["row 1 (line 2)", "1 field", "2 columns"]),
        (csv("binary.csv", "id"), &["header", "field 2", "UTF-8"]),
        (csv("open.csv", "id"), &["row 1 (line 2)", "a quote is left open"]),
        (csv("good.csv", "-x"), &["\"-x\""]),
        (vec!["load", &url, "mac.tsv", "--format", "tsv", "--key", "id"], &["header", "carriage return"]),
        (vec!["load", &url, "twice.jsonl", "--format", "jsonl", "--key", "id"], &["row 1", "\"id\" twice"]),
        (csv("missing.csv", "id"), &["missing.csv", "No such file"]),
        (csv(".", "id"), &["directory"]),
        ([csv("good.csv", "id"), vec!["--keyspace", "a/b"]].concat(), &["a/b"]),
        ([csv("good.csv", "id"), vec!["--keyspace", "_own"]].concat(), &["_own"]),
        (vec!["load", &url, "good.csv", "--format", "jsonl", "--key", "id"], &["row 1 (line 1)", "JSON"]),
        (vec!["load", &url, "good.csv", "--format", "jsonl", "--key", "id", "--no-header"], &["--no-header"]),
    ] {
        sandbox.run(&arguments).failed(2, named);
        assert_eq!(sandbox.files("."), before, "{arguments:?}");
    }
    assert_eq!(sandbox.run([csv("good.csv", "id"), vec!["--batch-rows", "0"]].concat()).status, 2);
    assert_eq!(sandbox.files("."), before);
}

#[test]
fn a_load_into_a_new_keyspace_leaves_the_others_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.csv", csv(100));
    for url in urls("data") {
        sandbox.run(["put", &url, "one", "value"]).text();
        let arguments = ["load", &url, "rows.csv", "--format", "csv", "--key", "id", "-k", "rows"];
        sandbox.run(arguments).text();
        assert_eq!(sandbox.run(["count", &url]).text(), "1\n");
        assert_eq!(sandbox.run(["count", &url, "-k", "rows"]).text(), "100\n");
        let row = sandbox.run(["get", &url, &key(42), "-k", "rows"]).text();
        assert_eq!(row, format!("{{\"id\":\"{}\",\"name\":\"the name of row 42\"}}", key(42)));
    }
}

#[test]
fn the_next_command_finds_buffered_commits() {
    let sandbox = Sandbox::new();
    for (engine, _) in support::engines() {
        let url = format!("{engine}:{engine}?durability=buffered");
        sandbox.run(["put", &url, "z", "1"]).text();
        assert_eq!(sandbox.run(["get", &url, "z"]).text(), "1");
        let arguments = ["load", &url, "-", "--format", "csv", "--key", "id", "--batch-rows", "1"];
        sandbox.run_with_input(arguments, b"id\nb\na\na\n").failed(2, &["rows 1 to 2 are stored"]);
        assert_eq!(sandbox.run(["count", &url]).text(), "3\n", "{url}");
    }
}
