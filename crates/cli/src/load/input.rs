//! Reads the bytes of a file or of standard input.

use super::quotes::{Fault, Quotes};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::text;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Maximum size of one row in the file. A larger row is a mistake, such as a quote that is left open, and must not fill
/// the memory.
const ROW_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
const BLOCK_BYTES: usize = 64 * 1_024;
/// Interval between two checks for a signal while waiting for input.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The input of a load.
pub(super) struct Input {
    /// Its name in messages.
    pub(super) name: String,
    /// Its size, if known.
    pub(super) bytes_total: Option<u64>,
    pub(super) reader: RowReader,
}

impl Input {
    /// Opens `path`, or standard input for `-`.
    pub(super) fn open(path: &Path, interrupt: &Interrupt) -> Outcome<Self> {
        let name = text::escaped(path.as_os_str().as_encoded_bytes());
        let failed = |error: io::Error| {
            Failure::bad_input(format_args!("cannot read {name}: {error}; give the path of a readable file"))
        };
        let waiting = |from| Box::new(Waiting::on(from, interrupt.clone()));
        let (name, bytes_total, mut reader): (_, _, Box<dyn Read>) = if path == Path::new("-") {
            ("standard input".to_owned(), None, waiting(Box::new(io::stdin())))
        } else {
            let file = File::open(path).map_err(failed)?;
            let found = file.metadata().map_err(failed)?;
            if found.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            if found.is_file() {
                (name, Some(found.len()), Box::new(file))
            } else {
                // A pipe or a device, which may block forever.
                (name, None, waiting(Box::new(file)))
            }
        };
        let mut start = Vec::new();
        let read = reader.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start);
        read.map_err(|error| Failure::bad_input(format_args!("cannot read {name}: {error}")))?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        let reader = Box::new(io::Cursor::new(start).chain(reader));
        Ok(Self { name, bytes_total, reader: RowReader::new(reader) })
    }

    /// An input with these bytes.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        let reader = RowReader::new(Box::new(io::Cursor::new(bytes.into())));
        Self { name: "a test".to_owned(), bytes_total: None, reader }
    }
}

/// The position of the reader, and the start of the current row.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    read: Rc<Cell<u64>>,
    row_start: Rc<Cell<u64>>,
    line_end: Rc<Cell<LineEnd>>,
    quote_fault: Rc<Cell<Option<Fault>>>,
}

/// The line ending of a file, taken from its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LineEnd {
    /// No line has ended so far.
    #[default]
    Unknown,
    Lf,
    CrLf,
}

impl Meter {
    /// Records that the next row begins at byte `at`.
    pub(super) fn row_starts(&self, at: u64) {
        self.row_start.set(at);
    }

    /// The fault in the quotes, if the bytes read so far contain one.
    pub(super) fn quote_fault(&self) -> Option<Fault> {
        self.quote_fault.get()
    }

    /// The line ending.
    pub(super) fn line_end(&self) -> LineEnd {
        self.line_end.get()
    }
}

/// Reads bytes, and fails in a row that is too large.
pub(super) struct RowReader {
    reader: Box<dyn Read>,
    meter: Meter,
    last_byte: u8,
    /// `Some` for formats with quotes.
    quotes: Option<Quotes>,
}

impl RowReader {
    fn new(reader: Box<dyn Read>) -> Self {
        Self { reader, meter: Meter::default(), last_byte: 0, quotes: None }
    }

    /// Detects quotes that are left open, from the first byte on.
    pub(super) fn with_quotes(mut self) -> Self {
        self.quotes = Some(Quotes::new());
        self
    }

    fn look_for_quotes(&mut self, block: &[u8]) {
        if self.meter.quote_fault().is_none()
            && let Some(quotes) = &mut self.quotes
        {
            self.meter.quote_fault.set(quotes.follow(block));
        }
    }

    fn look_for_line_end(&mut self, block: &[u8]) {
        if self.meter.line_end() != LineEnd::Unknown {
            return;
        }
        if let Some(at) = block.iter().position(|byte| *byte == b'\n') {
            let before = at.checked_sub(1).map_or(self.last_byte, |before| block[before]);
            self.meter.line_end.set(if before == b'\r' { LineEnd::CrLf } else { LineEnd::Lf });
        }
        self.last_byte = block.last().copied().unwrap_or(self.last_byte);
    }

    /// The meter on which the parser records the start of rows.
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl Read for RowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.meter.read.get();
        if read.saturating_sub(self.meter.row_start.get()) > ROW_BYTES_MAX {
            return Err(io::Error::other("the row is larger than 64 MiB (is a quote left open?)"));
        }
        let more = self.reader.read(buffer)?;
        self.meter.read.set(read + more as u64);
        self.look_for_line_end(&buffer[..more]);
        self.look_for_quotes(&buffer[..more]);
        Ok(more)
    }
}

/// Reads an input that may block forever, on a thread of its own, and ends on a signal.
struct Waiting {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: io::Cursor<Vec<u8>>,
    interrupt: Interrupt,
}

impl Waiting {
    fn on(from: Box<dyn Read + Send>, interrupt: Interrupt) -> Self {
        let (sender, blocks) = sync_channel(4);
        // Never joined: it may still block when the process ends.
        std::thread::spawn(move || pump(from, &sender));
        Self { blocks, block: io::Cursor::default(), interrupt }
    }
}

fn pump(mut from: Box<dyn Read + Send>, to: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match from.read(&mut block) {
            Ok(0) => return,
            Ok(more) => {
                block.truncate(more);
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if to.send(read).is_err() || is_last {
            return;
        }
    }
}

impl Read for Waiting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let more = self.block.read(buffer)?;
            if more > 0 || buffer.is_empty() {
                return Ok(more);
            }
            if self.interrupt.is_requested() {
                return Ok(0);
            }
            match self.blocks.recv_timeout(LOOK_EVERY) {
                Ok(block) => self.block = io::Cursor::new(block?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}
