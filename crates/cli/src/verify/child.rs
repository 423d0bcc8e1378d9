//! The child process, which opens the store. It may crash or hang; the parent interprets that.

use super::protocol::{EngineCheck, Failed, Found, Line, RowsRead};
use crate::arguments::VerifyChild;
use crate::exit::{Failure, Outcome, Status};
use crate::memory::limit_memory;
use crate::open::{Access, Target, keyspace};
use crate::panics;
use std::io::{self, Read as _, Stdout, Write as _};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use strongroom::{DEFAULT_KEYSPACE, Store, Verified, VerifyProgress};

/// Interval between two progress lines.
const REPORT_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &VerifyChild) -> Outcome {
    end_with_parent()?;
    let mut out = io::stdout();
    // An uncaught panic is a result too: the engine may panic when it lends a row or is dropped.
    let checked = catch_unwind(AssertUnwindSafe(|| check(arguments, &mut out)));
    let answer = match (checked, panics::location().is_some()) {
        (Ok(Ok(found)), false) => Line::Sound(found),
        (Ok(Ok(_)), true) => {
            let failure = Failure::damaged("verify: all rows are as they were written");
            Line::Failed(Failed::of(&failure, true))
        }
        (Ok(Err(failure)), has_panicked) => Line::Failed(Failed::of(&failure, has_panicked)),
        (Err(_), _) => {
            let failure = Failure::new(Status::StoreFailed, "verify: the check did not finish");
            Line::Failed(Failed::of(&failure, true))
        }
    };
    tell(&mut out, &answer).map_err(|error| Failure::output(&error))
}

fn check(arguments: &VerifyChild, out: &mut Stdout) -> Outcome<Found> {
    if let Some(most) = arguments.memory_limit {
        limit_memory(most)?;
    }
    let url = &arguments.store.url;
    let store = Target::of(url, Access::Read)?.open()?;
    let rows = rows(&store, out)?;
    let engine_has_check = store.engine().capabilities.integrity_check;
    drop(store);
    let engine_check = match (arguments.rows_only, engine_has_check) {
        (true, _) => EngineCheck::LeftOut,
        (false, false) => EngineCheck::None,
        (false, true) => engine(url, out).map_err(|failure| {
            failure.and_also("all rows are as they were written; --rows-only skips the engine's own check")
        })?,
    };
    Ok(Found {
        keyspaces: rows.keyspaces,
        rows: rows.rows,
        bytes: rows.bytes,
        integrity: rows.integrity.to_string(),
        engine_check,
    })
}

fn rows(store: &Store, out: &mut Stdout) -> Outcome<Verified> {
    // Every store on disk has this keyspace. Its absence may be the only sign that an engine started over on damaged
    // files.
    if store.path().is_some() {
        keyspace(store, DEFAULT_KEYSPACE)?;
    }
    let mut told: Option<Instant> = None;
    let mut lost = None;
    let verified = store.verify(&mut |progress: &VerifyProgress<'_>| {
        if told.is_some_and(|told| told.elapsed() < REPORT_EVERY) {
            return ControlFlow::Continue(());
        }
        told = Some(Instant::now());
        let rows = RowsRead {
            keyspace: progress.keyspace.to_owned(),
            rows: progress.rows,
            rows_expected: progress.rows_expected,
        };
        match tell(out, &Line::Rows(rows)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                lost = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match lost {
        // The parent has closed the pipe.
        Some(error) => Err(Failure::output(&error)),
        None => Ok(verified),
    }
}

/// Runs the engine's own check. The engine may repair its files, so the store is opened for writing.
fn engine(url: &str, out: &mut Stdout) -> Outcome<EngineCheck> {
    let target = Target::of(url, Access::Change)?;
    if target.is_read_only() {
        return Ok(EngineCheck::LeftOut);
    }
    tell(out, &Line::EngineCheck).map_err(|error| Failure::output(&error))?;
    target.open()?.verify_engine()?;
    Ok(EngineCheck::Passed)
}

fn tell(out: &mut Stdout, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Ends this process when the parent ends, however it ends: the pipe between them closes.
fn end_with_parent() -> Outcome {
    std::thread::Builder::new()
        .name("end with parent".to_owned())
        .spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(i32::from(Status::StoreFailed.code()));
        })
        .map(drop)
        .map_err(|error| Failure::new(Status::StoreFailed, format_args!("cannot start a thread: {error}")))
}
