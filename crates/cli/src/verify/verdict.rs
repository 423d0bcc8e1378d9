//! The verdict of a check, as text and as JSON.

use super::progress::Progress;
use super::protocol::{EngineCheck, Failed, Found, RESTORE};
use super::watch::{End, signal};
use crate::arguments::Verify;
use crate::exit::{Failure, Outcome, Status};
use crate::text;
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::process::ExitStatus;

/// The verdict about the store.
#[derive(Debug)]
pub(super) enum Verdict {
    Sound(Found),
    /// The name of the verdict, the kind of the error, and the message.
    Bad {
        name: &'static str,
        kind: Option<String>,
        line: String,
    },
}

impl Verdict {
    /// Derives the verdict. There is none if the check was stopped or the store does not exist.
    pub(super) fn of(end: End, engine: &str, arguments: &Verify, progress: &Progress) -> Outcome<Self> {
        let bad = |name, line| Ok(Self::Bad { name, kind: None, line });
        let read = sound_so_far(progress);
        match end {
            End::Sound(found) => Ok(Self::Sound(found)),
            // An engine may report exhausted memory as an ordinary error.
            End::Failed(failed) if arguments.memory_limit.is_some() && is_out_of_memory(&failed.line) => {
                bad("out_of_memory", out_of_memory(engine, arguments, &failed.line, &read))
            }
            End::Failed(failed) => Self::failed(failed),
            End::Stopped => Err(Failure::new(
                Status::Stopped,
                format_args!("{engine}: verify: the check was stopped; {read}"),
            )),
            End::OutOfTime => {
                let limit = arguments.time_limit.unwrap_or_default();
                let line = format!(
                    "{engine}: verify: the check exceeded the time limit of {limit:?}; {read}; raise --time-limit, \
                     and if the check still does not end, restore a backup"
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
                    "{engine}: verify: the checking process ended without a result ({how}); {read}; run it again"
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

    /// Includes the reason, so that standard output alone is complete.
    pub(super) fn as_text(&self) -> String {
        let found = match self {
            Self::Sound(found) => found,
            Self::Bad { name, line, .. } => {
                return format!("verdict       {name}\nreason        {}\n", one_line(line));
            }
        };
        let missing = match found.integrity.as_str() {
            "full" => "full",
            _ => "rows (missing rows are not detected)",
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

/// Escapes a message of the engine, which may contain newlines and terminal escape sequences.
fn one_line(text: &str) -> String {
    text::visible(&text.replace(['\n', '\r'], " "))
}

/// States how much was sound at the last progress line.
fn sound_so_far(progress: &Progress) -> String {
    let rows = &progress.last;
    if progress.is_engine_check {
        return "all rows were sound, and the engine was checking its files".to_owned();
    }
    match rows.keyspace.as_str() {
        "" => "no row was read".to_owned(),
        keyspace => {
            let keyspace = text::quoted(keyspace.as_bytes());
            format!("at least {} rows were sound, the last of them in keyspace {keyspace}", rows.rows)
        }
    }
}

fn out_of_memory(engine: &str, arguments: &Verify, how: &str, read: &str) -> String {
    let limit = arguments.memory_limit.map(|size| size.to_string()).unwrap_or_default();
    format!(
        "{engine}: verify: the check exceeded the memory limit of {limit} ({how}); {read}; raise --memory-limit, and \
         if that does not help, restore a backup"
    )
}

fn how(status: ExitStatus) -> String {
    match (signal(status), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "the reason is unknown".to_owned(),
    }
}

/// Whether the process crashed by itself. A process that was killed from outside says nothing about the files.
fn is_crash(status: ExitStatus) -> bool {
    match signal(status) {
        Some(signal) => {
            ["SIGBUS", "SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"].contains(&signal)
        }
        // Windows has no signals. An exception is a negative exit status.
        None => status.code().is_some_and(|code| code < 0),
    }
}

/// Recognizes the out-of-memory messages of Rust and C++ before an abort, of the system and of the engines.
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
    fn an_engine_error_about_memory_is_out_of_memory_under_a_limit() {
        let told = "sqlite: open: out of memory";
        assert_eq!(verdict_of(told, &[]), ("unknown", told.to_owned()));
        let (name, line) = verdict_of(told, &["--memory-limit", "1GiB"]);
        assert_eq!(name, "out_of_memory");
        assert!(line.contains("the memory limit of 1GiB") && line.contains(told), "{line}");
        assert_eq!(verdict_of("the disk is gone", &["--memory-limit", "1GiB"]).0, "unknown");
    }
}
