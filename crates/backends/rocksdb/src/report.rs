//! RocksDB's report for people, the file `LOG`, written here in place of RocksDB.
//!
//! RocksDB closes the file before it begins the next one, and when it cannot (its directory was moved or removed, the
//! disk is full), what comes after works on a file that is closed: it ends the process by SIGSEGV, mostly while the
//! database is being closed. Without a bound on the size nothing is rolled, and the file grows as long as the database
//! is open. So warnings and errors come here, into two files of bounded size, and a report that cannot be written is left
//! out.

use rocksdb::{InfoLogger, LogLevel};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const NAME: &str = "LOG";
/// RocksDB takes it for a report of its own that is over.
const NAME_BEFORE: &str = "LOG.old.0";
/// Of either file.
const BYTES_MAX: u64 = 1_024 * 1_024;

/// Writes what RocksDB has to say into `home`. Nothing is created before it says something.
pub(crate) fn logger(home: &Path) -> InfoLogger {
    let report = Mutex::new(Report { home: home.to_owned(), file: None });
    InfoLogger::new_callback_logger(LogLevel::Warn, move |level, text| {
        // The options, many pages of them, are in the file `OPTIONS-…` too.
        if level != LogLevel::Header {
            // Called by C++, which no panic may reach: nothing here panics.
            report.lock().unwrap_or_else(PoisonError::into_inner).write(level, text);
        }
    })
}

#[derive(Debug)]
struct Report {
    home: PathBuf,
    /// With its length.
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
        // One write for a line, and no second try: the next line begins the file anew.
        match file.write_all(line.as_bytes()) {
            Ok(()) => *bytes = bytes.saturating_add(len),
            Err(_) => self.file = None,
        }
    }

    /// A new file; the one before is kept beside it.
    fn begin(&self) -> std::io::Result<File> {
        let now = self.home.join(NAME);
        // There may be none.
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
    fn two_files_of_bounded_size_and_the_last_line_is_there() {
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
    fn a_directory_that_is_gone_loses_the_report_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("home");
        let mut report = Report { home: home.clone(), file: None };
        report.write(LogLevel::Error, "nobody reads this");
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
