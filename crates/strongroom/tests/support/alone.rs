//! A test that needs a process of its own: the current directory and the user belong to the whole process.

#![allow(dead_code)] // Each test file uses a part.

use std::process::Command;

const CASE: &str = "STRONGROOM_TEST_CASE";

/// What the process is to do; none in the process that runs all tests.
pub fn case() -> Option<Vec<String>> {
    let text = std::env::var(CASE).ok()?;
    Some(text.split('\n').map(str::to_owned).collect())
}

/// Runs the ignored test `name` of this test binary in a process of its own, with these arguments for [`case`].
/// Fails as it does; returns what it printed.
#[track_caller]
pub fn run(name: &str, arguments: &[&str]) -> String {
    finish(Command::new(std::env::current_exe().unwrap()), name, arguments)
}

/// As [`run`], with at most so many open files.
#[track_caller]
pub fn run_with_descriptors(name: &str, arguments: &[&str], descriptors_max: usize) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors_max}; exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    finish(command, name, arguments)
}

#[track_caller]
fn finish(mut command: Command, name: &str, arguments: &[&str]) -> String {
    command.args([name, "--exact", "--ignored", "--nocapture"]).env(CASE, arguments.join("\n"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = !output.status.success() || !text.contains("1 passed");
    assert!(!failed, "{arguments:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}
