//! A source of rows, for any format.

use strongroom::limits::{check_key_against, check_value_against};

/// A row, ready to be stored.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The number of the row, from 1, without the header.
    pub(super) row: u64,
    /// The number of the line on which the row begins, from 1; 0 if unknown.
    pub(super) line: u64,
    pub(super) key: Vec<u8>,
    /// The row as a JSON object.
    pub(super) value: Vec<u8>,
}

impl Record {
    /// The position of the row, for messages.
    pub(super) fn place(&self) -> String {
        match self.line {
            0 => format!("row {}", self.row),
            line => format!("row {} (line {line})", self.row),
        }
    }

    /// Refuses a row that a store with these limits cannot hold.
    pub(super) fn check(&self, key_bytes_max: usize, value_bytes_max: usize) -> Result<(), String> {
        check_key_against(&self.key, key_bytes_max)
            .and_then(|()| check_value_against(&self.value, value_bytes_max))
            .map_err(|error| error.message().to_owned())
    }
}

/// Rows in the order of a file.
pub(super) trait Source {
    /// Reads the next row into `record`; returns `false` at the end. After an error, `record` still has its position.
    fn next(&mut self, record: &mut Record) -> Result<bool, String>;

    /// Bytes of the file that were read.
    fn bytes(&self) -> u64;
}
