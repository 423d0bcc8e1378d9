//! Data, on standard output.

use crate::exit::{Failure, Outcome};
use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output in large pieces.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn open() -> Self {
        Self { out: BufWriter::with_capacity(64 * 1_024, io::stdout().lock()) }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.out.write_all(bytes).map_err(|error| Failure::output(&error))
    }

    /// Hands on what is buffered, to a reader who waits for it.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    /// What is buffered until then is lost without it: nobody hears of a failure in a destructor.
    pub(crate) fn finish(mut self) -> Outcome {
        self.flush()
    }
}

/// Writes `bytes` to standard output.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Outcome {
    let mut output = Output::open();
    output.write(bytes.as_ref())?;
    output.finish()
}

/// Writes `value` as indented JSON and a newline.
pub(crate) fn print_json(value: &serde_json::Value) -> Outcome {
    print(format!("{value:#}\n"))
}
