//! What a check says in the end, for people and for machines.

use super::progress::Progress;
use super::protocol::{EngineCheck, Failed, Found, RESTORE};
use super::watch::{End, signal};
use crate::arguments::Verify;
use crate::exit::{Failure, Outcome, Status};
use crate::text;
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::process::ExitStatus;

/// What is known about the store.
#[derive(Debug)]
pub(super) enum Verdict {
    Sound(Found),
    /// The name of the verdict, the kind of error, and the line that tells it.
    Bad {
        name: &'static str,
        kind: Option<String>,
        line: String,
    },
}

impl Verdict {
    /// There is none where the check was stopped, or the store is not there.
    pub(super) fn of(end: End, engine: &str, arguments: &Verify, progress: &Progress) -> Outcome<Self> {
        let bad = |name, line| Ok(Self::Bad { name, kind: None, line });
        let read = sound_so_far(progress);
        match end {
            End::Sound(found) => Ok(Self::Sound(found)),
            // An engine may take it for an error like any other.
            End::Failed(failed) if arguments.memory_limit.is_some() && is_out_of_memory(&failed.line) => {
                bad("out_of_memory", out_of_memory(engine, arguments, &failed.line, &read))
            }
            End::Failed(failed) => Self::failed(failed),
            End::Stopped => Err(Failure::new(
                Status::Stopped,
                format_args!("{engine}: verify: stopped before its end; {read}"),
            )),
            End::OutOfTime => {
                let limit = arguments.time_limit.unwrap_or_default();
                let line = format!(
                    "{engine}: verify: the time limit of {limit:?} ended the check; {read}; give it more with \
                     --time-limit, and if it does not end with that either, restore a backup"
                );
                bad("out_of_time", line)
            }
            End::Died(status, errors) => {
                let how = how(status);
                if arguments.memory_limit.is_some() && is_out_of_memory(&errors) {
                    return bad("out_of_memory", out_of_memory(engine, arguments, &how, &read));
                }
                if is_crash(status) {
                    let line = format!(
                        "{engine}: verify: the engine crashed on these files ({how}): {RESTORE}; {read}"
                    );
                    return bad("crashed", line);
                }
                let line = format!(
                    "{engine}: verify: the process that checks was ended ({how}); {read}; run it again"
                );
                bad("unknown", line)
            }
        }
    }

    fn failed(failed: Failed) -> Outcome<Self> {
        if failed.status != Status::StoreFailed {
            return Err(Failure::new(failed.status, failed.line));
        }
        let name = if failed.is_damage { "damaged" } else { "unknown" };
        Ok(Self::Bad { name, kind: failed.kind, line: failed.line })
    }

    pub(super) fn as_json(&self) -> Value {
        match self {
            Self::Sound(found) => json!({
                "verdict": "sound",
                "keyspaces": found.keyspaces,
                "rows": found.rows,
                "bytes": found.bytes,
                "integrity": found.integrity,
                "engine_check": found.engine_check,
            }),
            Self::Bad { name, kind, line } => json!({ "verdict": name, "kind": kind, "message": line }),
        }
    }

    /// The reason is here too, so that a file or a pipe with the verdict is whole.
    pub(super) fn as_text(&self) -> String {
        let found = match self {
            Self::Sound(found) => found,
            Self::Bad { name, line, .. } => {
                return format!("verdict       {name}\nreason        {}\n", one_line(line));
            }
        };
        let missing = match found.integrity.as_str() {
            "full" => "full",
            _ => "rows (a row that is gone is not noticed)",
        };
        let engine_check = match found.engine_check {
            EngineCheck::Passed => "passed",
            EngineCheck::None => "none",
            EngineCheck::LeftOut => "left out",
        };
        format!(
            "verdict       sound\nkeyspaces     {}\nrows          {}\nbytes         {} ({} bytes)\n\
             integrity     {missing}\nengine check  {engine_check}\n",
            found.keyspaces,
            found.rows,
            HumanBytes(found.bytes),
            found.bytes,
        )
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Sound(_) => Ok(()),
            Self::Bad { line, .. } => Err(Failure::new(Status::StoreFailed, line)),
        }
    }
}

/// An engine's message may hold anything, also what a terminal would obey.
fn one_line(text: &str) -> String {
    text::visible(&text.replace(['\n', '\r'], " "))
}

/// What was sound when nothing more was heard.
fn sound_so_far(progress: &Progress) -> String {
    let rows = &progress.last;
    if progress.is_engine_check {
        return "all rows were sound, the engine was checking its files".to_owned();
    }
    match rows.keyspace.as_str() {
        "" => "no row was read until then".to_owned(),
        keyspace => {
            let keyspace = text::quoted(keyspace.as_bytes());
            format!("some {} rows were sound until then, the last of them in keyspace {keyspace}", rows.rows)
        }
    }
}

fn out_of_memory(engine: &str, arguments: &Verify, how: &str, read: &str) -> String {
    let limit = arguments.memory_limit.map(|size| size.to_string()).unwrap_or_default();
    format!(
        "{engine}: verify: the memory limit of {limit} ended the check ({how}); {read}; give it more with \
         --memory-limit, and if that does not help either, restore a backup"
    )
}

fn how(status: ExitStatus) -> String {
    match (signal(status), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "it is not known how".to_owned(),
    }
}

/// Whether the process broke down by what it did itself. Who is killed from outside says nothing about the files.
fn is_crash(status: ExitStatus) -> bool {
    match signal(status) {
        Some(signal) => {
            ["SIGBUS", "SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"].contains(&signal)
        }
        // Windows has no signals; its exceptions are negative as a status.
        None => status.code().is_some_and(|code| code < 0),
    }
}

/// What Rust and C++ say when they get no memory, before they abort, and what the system and the engines say.
fn is_out_of_memory(told: &str) -> bool {
    let told = told.to_ascii_lowercase();
    ["memory allocation of", "bad_alloc", "out of memory", "cannot allocate memory"]
        .iter()
        .any(|said| told.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser as _;

    fn verdict_of(line: &str, more: &[&str]) -> (&'static str, String) {
        let given = [&["strongroom", "verify", "redb:d"], more].concat();
        let Command::Verify(arguments) = Arguments::try_parse_from(given).unwrap().command else { panic!() };
        let failed =
            Failed { status: Status::StoreFailed, is_damage: false, kind: None, line: line.to_owned() };
        match Verdict::of(End::Failed(failed), "redb", &arguments, &Progress::start()).unwrap() {
            Verdict::Bad { name, line, .. } => (name, line),
            Verdict::Sound(found) => panic!("{found:?}"),
        }
    }

    #[test]
    fn an_engine_that_is_told_of_too_little_memory_says_so() {
        let told = "sqlite: open: out of memory";
        assert_eq!(verdict_of(told, &[]), ("unknown", told.to_owned()));
        let (name, line) = verdict_of(told, &["--memory-limit", "1GiB"]);
        assert_eq!(name, "out_of_memory");
        assert!(line.contains("the memory limit of 1GiB") && line.contains(told), "{line}");
        assert_eq!(verdict_of("the disk is gone", &["--memory-limit", "1GiB"]).0, "unknown");
    }
}
