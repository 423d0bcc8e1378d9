//! Writes data to standard output.

use crate::exit::{Failure, Outcome};
use std::io::{self, BufWriter, StdoutLock, Write};

/// Buffered standard output.
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

    /// Writes the buffered bytes, for a reader that waits for them.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| Failure::output(&error))
    }

    /// Writes the rest and reports a failure, which a destructor could not.
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
