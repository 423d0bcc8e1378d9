//! Lines of a file, for formats with one row per line.

use super::input::{Meter, RowReader};
use std::io::{BufRead as _, BufReader};

/// Reads lines. Empty lines are skipped, and spaces are data. A line ends with LF or CR LF.
pub(super) struct Lines {
    reader: BufReader<RowReader>,
    meter: Meter,
    line: String,
    number: u64,
    bytes: u64,
}

impl Lines {
    pub(super) fn of(reader: RowReader) -> Self {
        let meter = reader.meter();
        let reader = BufReader::with_capacity(128 * 1_024, reader);
        Self { reader, meter, line: String::new(), number: 0, bytes: 0 }
    }

    /// Moves to the next line that is not empty; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, String> {
        let mut line = std::mem::take(&mut self.line).into_bytes();
        loop {
            line.clear();
            self.number += 1;
            self.meter.row_starts(self.bytes);
            let read = self.reader.read_until(b'\n', &mut line);
            let read = read.map_err(|error| format!("the file cannot be read: {error}"))?;
            if read == 0 {
                return Ok(false);
            }
            self.bytes += read as u64;
            for end in [b'\n', b'\r'] {
                line.pop_if(|last| *last == end);
            }
            if !line.is_empty() {
                break;
            }
        }
        self.line = String::from_utf8(line).map_err(|error| {
            let place = error.utf8_error().valid_up_to() + 1;
            format!("the line is not UTF-8 (byte {place} of the line); convert the file first")
        })?;
        Ok(true)
    }

    /// The current line, without its ending.
    pub(super) fn text(&self) -> &str {
        &self.line
    }

    /// The number of the current line, from 1. After an error, that of the line with the error.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read, up to the end of the current line.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
