//! Writes RocksDB's report for people, the file `LOG`, in place of RocksDB.
//!
//! RocksDB closes the file before it begins the next one. When it cannot begin it (its directory was moved or
//! removed, the disk is full), later code uses the closed file and ends the process with SIGSEGV, usually while
//! the database is being closed. Without a size limit nothing is rolled, and the file grows while the database
//! is open. So warnings and errors are written here, into two files of bounded size, and a line that cannot be
//! written is left out.

use rocksdb::{InfoLogger, LogLevel};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const NAME: &str = "LOG";
/// RocksDB takes it for an old report of its own.
const NAME_BEFORE: &str = "LOG.old.0";
/// Limit of each file.
const BYTES_MAX: u64 = 1_024 * 1_024;

/// Returns a logger that writes RocksDB's messages into `home`. Creates no file before the first message.
pub(crate) fn logger(home: &Path) -> InfoLogger {
    let report = Mutex::new(Report { home: home.to_owned(), file: None });
    InfoLogger::new_callback_logger(LogLevel::Warn, move |level, text| {
        // The options, many pages of them, are in the file `OPTIONS-…` too.
        if level != LogLevel::Header {
            // Called by C++, which a panic must not reach: nothing here panics.
            report.lock().unwrap_or_else(PoisonError::into_inner).write(level, text);
        }
    })
}

#[derive(Debug)]
struct Report {
    home: PathBuf,
    /// The file and its length.
    file: Option<(File, u64)>,
}

impl Report {
    fn write(&mut self, level: LogLevel, text: &str) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{} {level:?} {}\n", since_epoch.as_millis(), text.trim_end());
        let len = line.len() as u64;
        if self.file.as_ref().is_some_and(|(_, bytes)| bytes.saturating_add(len) > BYTES_MAX) {
            self.file = None;
        }
        if self.file.is_none() {
            self.file = self.begin().ok().map(|file| (file, 0));
        }
        let Some((file, bytes)) = &mut self.file else { return };
        // One write per line and no retry: after a failure the next line begins a new file.
        match file.write_all(line.as_bytes()) {
            Ok(()) => *bytes = bytes.saturating_add(len),
            Err(_) => self.file = None,
        }
    }

    /// Begins a new file, and keeps the previous one.
    fn begin(&self) -> std::io::Result<File> {
        let now = self.home.join(NAME);
        // A previous file may not exist.
        let _ = std::fs::rename(&now, self.home.join(NAME_BEFORE));
        File::create(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(path: PathBuf) -> u64 {
        std::fs::metadata(path).map_or(0, |metadata| metadata.len())
    }

    #[test]
    fn two_files_of_bounded_size_contain_the_last_line() {
        let home = tempfile::tempdir().unwrap();
        let mut report = Report { home: home.path().to_owned(), file: None };
        let text = "x".repeat(1_000);
        for number in 0..5_000 {
            report.write(LogLevel::Warn, &format!("{number} {text}"));
        }
        let (now, before) = (home.path().join(NAME), home.path().join(NAME_BEFORE));
        assert!(std::fs::read_to_string(&now).unwrap().contains("Warn 4999 "));
        assert!(len(now) <= BYTES_MAX && len(before.clone()) <= BYTES_MAX);
        assert!(len(before) > BYTES_MAX / 2);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_missing_directory_loses_only_the_report() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("home");
        let mut report = Report { home: home.clone(), file: None };
        report.write(LogLevel::Error, "lost");
        std::fs::create_dir(&home).unwrap();
        report.write(LogLevel::Error, "one");
        std::fs::remove_dir_all(&home).unwrap();
        for _ in 0..3_000 {
            report.write(LogLevel::Warn, &"two ".repeat(200));
        }
        std::fs::create_dir(&home).unwrap();
        report.write(LogLevel::Warn, "three");
        assert!(std::fs::read_to_string(home.join(NAME)).unwrap().ends_with("Warn three\n"));
    }
}
