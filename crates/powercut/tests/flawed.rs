//! Tests the harness with stores that are flawed on purpose: it must find each flaw, under the right finding, and
//! fail.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

/// Runs the program with the flawed subjects.
fn matrix(subject: &str, section: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flawed"))
        .args(["matrix", "--only", subject, "--section", section])
        .args(more)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn skipped(output: &Output) -> bool {
    let skipped = stdout(output).contains(", 0 skipped");
    if !skipped {
        print!("{}", String::from_utf8_lossy(&output.stderr));
    }
    !skipped
}

/// Asserts that the run fails and reports `finding` for `subject`.
#[track_caller]
fn assert_found(output: &Output, subject: &str, section: &str, finding: &str) {
    let said = stdout(output);
    assert_eq!(output.status.code(), Some(1), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("FAILED {subject}: {section}: {finding} in ")), "{said}");
}

#[track_caller]
fn assert_sound(output: &Output) {
    let said = stdout(output);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" trials, 0 failed, "), "{said}");
}

#[test]
fn a_sound_store_passes_everything() {
    assert_sound(&matrix("sound", "kill", &["--kills", "18"]));
    assert_sound(&matrix("sound", "power", &["--images", "54"]));
    assert_sound(&matrix("sound", "fault", &["--faults", "36"]));
}

#[test]
fn flaws_show_after_a_kill() {
    for (subject, finding) in [
        ("tears", "torn"),
        ("invents", "wrong"),
        ("refuses", "unopenable"),
        ("stiffens", "unusable"),
        ("misjudges", "condition"),
        ("alarms", "unusable"),
        ("gets-nothing", "wrong"),
        ("aborts", "crashed"),
    ] {
        assert_found(&matrix(subject, "kill", &["--kills", "9"]), subject, "kill", finding);
    }
}

#[test]
fn a_store_that_hangs_is_killed() {
    let output = matrix("hangs", "kill", &["--kills", "2", "--time-limit", "2"]);
    assert_found(&output, "hangs", "kill", "hung");
}

#[test]
fn a_store_that_does_not_sync_loses_commits_in_a_power_cut() {
    let output = matrix("forgets-sync", "power", &["--images", "54"]);
    if !skipped(&output) {
        assert_found(&output, "forgets-sync", "power", "lost");
    }
}

#[test]
fn an_empty_checkpoint_is_found() {
    let output = matrix("forgets-checkpoint", "power", &["--images", "54"]);
    if !skipped(&output) {
        assert_found(&output, "forgets-checkpoint", "power", "lost");
    }
}

#[test]
fn a_closed_handle_that_accepts_writes_is_found() {
    let output = matrix("goes-on", "fault", &["--faults", "36"]);
    if !skipped(&output) {
        assert_found(&output, "goes-on", "fault", "went on");
    }
}

#[test]
fn a_panic_on_an_error_and_an_ignored_error_are_found() {
    for (subject, finding) in [("panics", "crashed"), ("shrugs", "lost")] {
        let output = matrix(subject, "fault", &["--faults", "12"]);
        if !skipped(&output) {
            assert_found(&output, subject, "fault", finding);
        }
    }
}

/// The writes are in the cache of the operating system and thus in the file, so only a power cut shows the loss.
#[test]
fn an_ignored_sync_failure_is_found() {
    let output = matrix("ignores-sync", "fault", &["--faults", "36"]);
    if !skipped(&output) {
        assert_found(&output, "ignores-sync", "fault", "lost");
    }
}

#[test]
fn a_second_power_cut_finds_an_unsafe_recovery() {
    let output = matrix("rewrites", "power", &["--images", "36"]);
    if !skipped(&output) {
        assert_found(&output, "rewrites", "power", "lost");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_store_that_exceeds_the_memory_limit_is_found() {
    assert_found(&matrix("devours", "kill", &["--kills", "2"]), "devours", "kill", "crashed");
}

#[test]
fn wrong_values_and_missed_damage_are_found() {
    assert_found(&matrix("trusts", "damage", &["--damages", "72"]), "trusts", "damage", "wrong");
    // A log that ends at the first bad record loses all later ones, and this store has no high-water mark to notice.
    assert_found(&matrix("sound", "damage", &["--damages", "36"]), "sound", "damage", "unnoticed tail");
    assert_found(&matrix("swallows", "damage", &["--damages", "36"]), "swallows", "damage", "unnoticed");
    // A store whose verification always fails would notice all damage, so the harness rejects it.
    let output = matrix("alarms", "damage", &["--damages", "6"]);
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("an undamaged copy is noticed"), "{complaint}");
}

#[test]
fn a_negative_control_must_lose_something() {
    let output = matrix("control", "power", &["--images", "54"]);
    if skipped(&output) {
        return;
    }
    assert_sound(&output);
    let output = matrix("blind", "power", &["--images", "12"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("the harness is blind"), "{}", stdout(&output));
}

#[test]
fn wrong_usage_has_its_own_status_and_a_hint() {
    for (arguments, hint) in [
        (&["matrix", "--only", "nobody"][..], "unknown subject \"nobody\""),
        (&["replay", "kill:sound:single"], "is not the name of a trial"),
        (&["replay", "kill:nobody:single:1"], "unknown subject \"nobody\""),
        (&["matrix", "--section", "none"], "use one of"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_flawed")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn a_trial_is_repeated_by_its_name() {
    let replay = |name: &str| {
        Command::new(env!("CARGO_BIN_EXE_flawed")).args(["replay", name, "--times", "2"]).output().unwrap()
    };
    let sound = replay("kill:sound:batches:3");
    assert_eq!(sound.status.code(), Some(0));
    assert!(stdout(&sound).ends_with("0 of 2 runs found something\n"), "{}", stdout(&sound));
    let flawed = replay("kill:refuses:batches:3");
    assert_eq!(flawed.status.code(), Some(1));
    assert!(stdout(&flawed).contains("1: unopenable: the store does not open"), "{}", stdout(&flawed));
}

#[test]
fn results_accumulate_in_a_file_and_a_report_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let (results, report) = (scratch.path().join("results.json"), scratch.path().join("report.md"));
    let files = ["--results", results.to_str().unwrap(), "--report", report.to_str().unwrap()];
    // The second replaces the first.
    assert_sound(&matrix("sound", "kill", &[&["--kills", "2"], &files[..]].concat()));
    assert_sound(&matrix("sound", "kill", &[&["--kills", "2"], &files[..]].concat()));
    assert_sound(&matrix("control", "damage", &[&["--damages", "6"], &files[..]].concat()));
    let printed = Command::new(env!("CARGO_BIN_EXE_flawed")).arg("report").arg(&results).output().unwrap();
    assert_eq!(printed.status.code(), Some(0));
    let report = std::fs::read_to_string(report).unwrap();
    assert_eq!(stdout(&printed), report);
    assert!(report.contains("## Killed processes") && report.contains("## Damaged files"), "{report}");
    assert!(report.contains("| sound | 2 | 0 |"), "{report}");
}

/// Whether `parent` has a writing child.
#[cfg(target_os = "linux")]
fn has_writer(parent: u32) -> bool {
    let is_it = |process: std::path::PathBuf| {
        let read = |name| std::fs::read_to_string(process.join(name)).unwrap_or_default();
        read("cmdline").contains("child\0write\0") && read("status").contains(&format!("PPid:\t{parent}\n"))
    };
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| is_it(entry.path()))
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_ends_a_run_and_leaves_no_files_or_mounts() {
    use std::os::unix::process::CommandExt as _;
    let scratch = tempfile::tempdir().unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_flawed"))
        .args(["matrix", "--only", "sound", "--section", "power", "kill"])
        .env("TMPDIR", scratch.path())
        .process_group(0)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !has_writer(run.id()) {
        assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
        // Not even the disk that tests whether disks are available may be in this namespace: a kill would leave it.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(scratch.path().to_str().unwrap()), "{mounts}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // To the whole process group, as a terminal does.
    let group = format!("-{}", run.id());
    assert!(Command::new("kill").args(["-s", "INT", "--", &group]).status().unwrap().success());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
