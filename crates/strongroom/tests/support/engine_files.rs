//! The files of a store as text: small where the files are mostly zeros, and the same after any checkout.
//!
//! `file NAME BYTES` begins a file; each line after it is an offset and up to 64 bytes, in hexadecimal. What no line
//! gives is zero. Lines that begin with `#` are for people.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write as _};
use std::path::Path;

const LINE_BYTES: usize = 64;

/// How the names of files begin that an engine writes for people, or that say which process has a store open.
const LEFT_OUT: [&str; 2] = ["LOCK", "LOG"];

/// The files below `directory`.
pub fn freeze(directory: &Path) -> String {
    let mut text = String::new();
    freeze_below(directory, "", &mut text);
    text
}

fn freeze_below(directory: &Path, prefix: &str, text: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap().to_str().unwrap();
        if entry.is_dir() {
            let _ = writeln!(text, "directory {prefix}{name}");
            freeze_below(&entry, &format!("{prefix}{name}/"), text);
        } else if !LEFT_OUT.iter().any(|start| name.starts_with(start)) {
            let bytes = fs::read(&entry).unwrap();
            let _ = writeln!(text, "file {prefix}{name} {}", bytes.len());
            for (index, line) in bytes.chunks(LINE_BYTES).enumerate() {
                let Some(last) = line.iter().rposition(|byte| *byte != 0) else { continue };
                let _ = write!(text, "{:x} ", index * LINE_BYTES);
                for byte in &line[..=last] {
                    let _ = write!(text, "{byte:02x}");
                }
                text.push('\n');
            }
        }
    }
}

/// Makes the files of `text` in `directory`, which is created.
pub fn thaw(text: &str, directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    let mut file: Option<File> = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["directory", name] => fs::create_dir(directory.join(name)).unwrap(),
            ["file", name, bytes] => {
                let created = File::create_new(directory.join(name)).unwrap();
                created.set_len(bytes.parse().unwrap()).unwrap();
                file = Some(created);
            }
            [offset, bytes] => {
                let file = file.as_mut().unwrap();
                file.seek(SeekFrom::Start(u64::from_str_radix(offset, 16).unwrap())).unwrap();
                file.write_all(&unhex(bytes)).unwrap();
            }
            _ => panic!("a line of a fixture that is none: {line:?}"),
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
