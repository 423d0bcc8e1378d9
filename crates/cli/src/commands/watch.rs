//! `watch`: prints the commits of an application as they happen.

use super::admin;
use super::rows::json_bytes;
use crate::arguments::{Watch, WatchFormat};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::open::{Access, Target};
use crate::output::Output;
use crate::{message, text};
use std::io::Write as _;
use std::time::Duration;
use strongroom::admin::{AdminChange, AdminChangeKind, AdminEnd, AdminEvent, AdminWatch};
use strongroom::{Error, ErrorKind, MARKER_FILE};

/// Interval between two checks for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &Watch) -> Outcome {
    let prefix = arguments.prefix.as_ref().map(|given| text::argument("--prefix", given)).transpose()?;
    let target = Target::of(&arguments.store.url, Access::Read)?;
    let socket = arguments.socket.path.as_deref();
    let client = admin::connect(&target, socket).map_err(|failure| match target.path() {
        Some(path) if socket.is_none() && !path.join(MARKER_FILE).exists() => {
            let path = path.display();
            failure.told(format_args!("there is no store in {path}; check the path"))
        }
        _ => failure,
    })?;
    let interrupt = Interrupt::listen()?;
    let mut watch =
        client.watch(&arguments.keyspace.name, prefix.unwrap_or_default()).map_err(watch_failed)?;
    admin::check_engine(&target, watch.engine())?;
    let mut output = Output::open();
    let printed = print_events(&mut watch, arguments, &interrupt, &mut output);
    let finished = output.finish();
    printed.and(finished)
}

fn print_events(
    watch: &mut AdminWatch,
    arguments: &Watch,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Outcome {
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut lines = Vec::new();
    while left > 0 {
        if interrupt.is_requested() {
            return Err(Failure::stopped());
        }
        let Some(event) = watch.next_timeout(LOOK_EVERY).map_err(watch_failed)? else { continue };
        lines.clear();
        let mut to_say = None;
        match event {
            AdminEvent::Commit { sequence, changes, .. } => {
                left -= 1;
                match arguments.format {
                    WatchFormat::Text => text_lines(sequence, &changes, &mut lines),
                    WatchFormat::Jsonl => json_line(sequence, &changes, &mut lines),
                }
            }
            AdminEvent::Lagged(missed) => {
                if arguments.format == WatchFormat::Jsonl {
                    // Writing to memory does not fail.
                    let _ = writeln!(lines, "{{\"lagged\":{missed}}}");
                }
                to_say = Some(format!(
                    "{missed} commits are missing here because they were not read in time; read the rows again"
                ));
            }
            AdminEvent::Ended(end) => {
                message::say(match end {
                    AdminEnd::StoreClosed => "the application has closed the store",
                    AdminEnd::SocketClosed => "the application has closed its admin socket",
                });
                return Ok(());
            }
            // Events of a later version are skipped.
            _ => {}
        }
        output.write(&lines)?;
        output.flush()?;
        if let Some(line) = to_say {
            message::say(&line);
        }
    }
    Ok(())
}

/// The connection exists, so "not found" refers to the keyspace.
fn watch_failed(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::not_found(error.one_line()),
        _ => error.into(),
    }
}

fn name(kind: &AdminChangeKind) -> (&'static str, Option<&[u8]>) {
    match kind {
        AdminChangeKind::Set(value) => ("set", Some(value)),
        AdminChangeKind::Expired => ("expire", None),
        _ => ("delete", None),
    }
}

fn text_lines(sequence: u64, changes: &[AdminChange], lines: &mut Vec<u8>) {
    for change in changes {
        let (kind, value) = name(&change.kind);
        // Writing to memory does not fail.
        let _ = write!(lines, "{sequence}\t{kind}\t");
        text::escape_data(&change.key, lines);
        if let Some(value) = value {
            lines.push(b'\t');
            text::escape_data(value, lines);
        }
        lines.push(b'\n');
    }
}

fn json_line(sequence: u64, changes: &[AdminChange], line: &mut Vec<u8>) {
    let _ = write!(line, "{{\"sequence\":{sequence},\"changes\":[");
    for (at, change) in changes.iter().enumerate() {
        let (kind, value) = name(&change.kind);
        line.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        json_bytes("keyspace", change.keyspace.as_bytes(), line);
        line.push(b',');
        json_bytes("key", &change.key, line);
        let _ = write!(line, ",\"kind\":\"{kind}\"");
        if let Some(value) = value {
            line.push(b',');
            json_bytes("value", value, line);
        }
        line.push(b'}');
    }
    line.extend_from_slice(b"]}\n");
}
