//! `put --ttl`: rows that expire.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Sandbox, url, urls};

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// When the only row of the store expires, according to a scan.
fn expires_at_ms(sandbox: &Sandbox, url: &str) -> Option<u64> {
    let row = sandbox.run(["scan", url, "--format", "jsonl"]).text();
    serde_json::from_str::<serde_json::Value>(&row).unwrap()["expires_at_ms"].as_u64()
}

#[test]
fn a_row_is_absent_after_its_expiry() {
    let sandbox = Sandbox::new();
    let urls = urls("data");
    let mut gone_at = 0;
    for url in &urls {
        sandbox.run(["put", url, "stays", "1"]).text();
        sandbox.run(["put", url, "long", "1", "--ttl", "1d"]).text();
        sandbox.run(["put", url, "short", "1", "--ttl", "1s"]).text();
        gone_at = now_ms() + 1_000;
    }
    std::thread::sleep(Duration::from_millis(gone_at.saturating_sub(now_ms())));
    for url in &urls {
        sandbox.run(["get", url, "short"]).failed(1, &["\"short\""]);
        assert_eq!(sandbox.run(["scan", url, "--keys-only"]).text(), "long\nstays\n");
        assert_eq!(sandbox.run(["count", url]).text(), "2\n");
        // An expired row is absent for conditions and counters too.
        sandbox.run(["cas", url, "short", "--expect", "1", "2"]).failed(1, &["does not exist"]);
        assert_eq!(sandbox.run(["incr", url, "short", "7"]).text(), "7\n");
        sandbox.run(["verify", url]).text();
    }
}

#[test]
fn a_scan_reports_when_a_row_expires() {
    let sandbox = Sandbox::new();
    let url = url("data");
    for (time, ms) in
        [("5000ms", 5_000), ("90s", 90_000), ("10m", 600_000), ("2h", 7_200_000), ("3d", 259_200_000)]
    {
        let before = now_ms();
        sandbox.run(["put", &url, "a", "1", "--ttl", time]).text();
        let expires = expires_at_ms(&sandbox, &url).unwrap();
        assert!((before + ms..=now_ms() + ms).contains(&expires), "{time}");
    }
    // A counter keeps its expiry, and a row that is put without a TTL does not expire.
    let expires = expires_at_ms(&sandbox, &url);
    sandbox.run(["incr", &url, "a"]).text();
    assert_eq!(expires_at_ms(&sandbox, &url), expires);
    sandbox.run(["put", &url, "a", "1"]).text();
    assert_eq!(expires_at_ms(&sandbox, &url), None);
}

#[test]
fn an_invalid_ttl_is_refused_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let url = url("data");
    // Before the store exists, and after.
    for _ in 0..2 {
        let before = sandbox.files(".");
        let put = |time| sandbox.run(["put", &url, "a", "2", &format!("--ttl={time}")]);
        for time in ["0s", "0d"] {
            put(time).failed(2, &["--ttl is zero", "90s"]);
        }
        put("18446744073709551615ms").failed(2, &["--ttl overflows the clock"]);
        for time in ["", "soon", "10", "-1s", "1.5h", "99999999999999999d"] {
            let ran = put(time);
            assert!(ran.status == 2 && ran.errors.contains("--ttl"), "{ran:?}");
        }
        assert!(sandbox.files(".") == before);
        sandbox.run(["put", &url, "a", "1"]).text();
    }
    assert_eq!(sandbox.run(["get", &url, "a"]).text(), "1");
}
