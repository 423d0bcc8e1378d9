//! The file `STRONGROOM` in a store's directory: what the store is, in plain text.
//!
//! ```text
//! Strongroom store
//! format: 2
//! engine: redb
//! store: 0f8b3c...
//! envelope: 1
//! integrity: rows
//! state: ready
//! checksum: 5d2c...
//! ```
//!
//! The marker is written as `creating` before the engine's files, and as `ready` when they are complete. So an
//! interrupted creation can be distinguished from a store that lost its files.
//!
//! A store of format 1 has no line `integrity` (it is `rows`) and no high-water mark. It is not upgraded: a mark
//! that was not written yet could not be distinguished from one that was lost.

use crate::integrity::Integrity;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Write as _};
use std::path::Path;
use strongroom_core::files::{MARKER_FILE, path_error, sync_directory};
use strongroom_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::xxh3_64;

const TITLE: &str = "Strongroom store";
/// The format of new stores.
pub(super) const FORMAT: u32 = 2;
/// The oldest format that can be opened.
const FORMAT_OLDEST: u32 = 1;
const ENVELOPE: u32 = 1;
/// A marker has about 150 bytes. Anything much larger is something else.
const BYTES_MAX: u64 = 4_096;

/// The id of a store: random, made at its creation, kept by its copies.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot get random bytes from the system: {error}"))
        })?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

/// Whether a store's files are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The engine's files are being created. Nothing was ever acknowledged.
    Creating,
    /// The store is complete.
    Ready,
}

/// The content of a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) format: u32,
    pub(crate) engine: String,
    pub(crate) store: StoreId,
    pub(crate) integrity: Integrity,
    pub(crate) state: State,
}

impl Marker {
    /// Reads the marker in `directory`. Returns none if there is no such file.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(MARKER_FILE);
        let shown = path.display();
        let metadata = fs::metadata(&path);
        let bytes = match metadata.as_ref().map(fs::Metadata::len) {
            Ok(len) if len <= BYTES_MAX => fs::read(&path),
            Ok(_) => return Err(damaged(&path, "is too large")),
            Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
            Err(_) => {
                return Err(metadata.err().map_or_else(
                    || damaged(&path, "cannot be read"),
                    |error| path_error("inspect", &path, error),
                ));
            }
        };
        let bytes = bytes.map_err(|error| Error::from_io(format!("cannot read {shown}"), error))?;
        Self::parse(&bytes, &path).map(Some)
    }

    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| damaged(path, "is not text"))?;
        if !text.starts_with(TITLE) {
            return Err(damaged(path, "is not a Strongroom marker"));
        }
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            let mut found = text.lines().filter_map(|line| line.strip_prefix(&prefix));
            found.next().ok_or_else(|| damaged(path, &format!("lacks the line \"{name}\"")))
        };
        // Checked before the checksum, whose place and kind a later format may change.
        let format: u32 = field("format")?.parse().map_err(|_| damaged(path, "has an unreadable format"))?;
        if !(FORMAT_OLDEST..=FORMAT).contains(&format) {
            return Err(newer(path, &format!("format {format}")));
        }
        let checked = text.find("checksum: ").map_or(text, |start| &text[..start]);
        let expected = format!("{checked}checksum: {:016x}\n", xxh3_64(checked.as_bytes()));
        if text != expected {
            return Err(damaged(path, "fails its checksum: it was edited or truncated"));
        }
        let envelope: u32 =
            field("envelope")?.parse().map_err(|_| damaged(path, "has an unreadable envelope"))?;
        if envelope != ENVELOPE {
            return Err(newer(path, &format!("envelope {envelope}")));
        }
        let state = match field("state")? {
            "creating" => State::Creating,
            "ready" => State::Ready,
            _ => return Err(damaged(path, "has an unreadable state")),
        };
        let store =
            StoreId::parse(field("store")?).ok_or_else(|| damaged(path, "has an unreadable store id"))?;
        let integrity = match format {
            1 => Integrity::Rows,
            _ => field("integrity")?.parse().map_err(|_| damaged(path, "has an unreadable integrity"))?,
        };
        let marker = Self { format, engine: field("engine")?.to_owned(), store, integrity, state };
        // The checksum shows that nothing was changed, but not who wrote it. No version writes a line twice, a
        // number with a sign or another line ending, so the meaning of such a marker is unknown.
        if marker.to_text() != text {
            return Err(damaged(path, "has lines that no version of Strongroom writes"));
        }
        Ok(marker)
    }

    /// Gives an unfinished store what a new store would get.
    pub(super) fn for_creation(self, integrity: Option<Integrity>) -> Self {
        match self.state {
            State::Ready => self,
            State::Creating => {
                Self { format: FORMAT, integrity: integrity.unwrap_or(self.integrity), ..self }
            }
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let state = match self.state {
            State::Creating => "creating",
            State::Ready => "ready",
        };
        let integrity = match self.format {
            1 => String::new(),
            _ => format!("integrity: {}\n", self.integrity),
        };
        let checked = format!(
            "{TITLE}\nformat: {}\nengine: {}\nstore: {}\nenvelope: {ENVELOPE}\n{integrity}state: {state}\n",
            self.format, self.engine, self.store
        );
        format!("{checked}checksum: {:016x}\n", xxh3_64(checked.as_bytes()))
    }

    /// Writes the marker atomically: a crash leaves the old one or the new one, complete.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(MARKER_FILE);
        let scratch = directory.join(format!("{MARKER_FILE}.new"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&scratch)?;
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&scratch, &path)?;
            sync_directory(directory)
        };
        write().map_err(|error| Error::from_io(format!("cannot write {}", path.display()), error))
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Corruption, format!("{} {what}", path.display()))
        .hint("restore the file from a backup of the store; the engine's files were not touched")
}

fn newer(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} was written by a later version ({what})", path.display()))
        .hint("open the store with the version of Strongroom that wrote it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            format: FORMAT,
            engine: "redb".into(),
            store: StoreId([0x5a; 16]),
            integrity: Integrity::Full,
            state: State::Ready,
        }
    }

    fn format_1() -> Marker {
        Marker { format: 1, integrity: Integrity::Rows, ..marker() }
    }

    fn parse(text: &str) -> Result<Marker> {
        Marker::parse(text.as_bytes(), Path::new("STRONGROOM"))
    }

    #[test]
    fn a_marker_round_trips() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Marker::read(directory.path()).unwrap(), None);
        for marker in [Marker { state: State::Creating, ..marker() }, marker(), format_1()] {
            marker.write(directory.path()).unwrap();
            assert_eq!(Marker::read(directory.path()).unwrap(), Some(marker));
        }
    }

    /// Frozen: existing stores hold this text.
    #[test]
    fn format_1_is_frozen() {
        let frozen = include_str!("../../fixtures/marker-v1.txt");
        assert_eq!(format_1().to_text(), frozen);
        assert_eq!(parse(frozen).unwrap(), format_1());
    }

    /// Frozen too.
    #[test]
    fn format_2_is_frozen() {
        let frozen = include_str!("../../fixtures/marker-v2.txt");
        assert_eq!(marker().to_text(), frozen);
        assert_eq!(parse(frozen).unwrap(), marker());
    }

    #[test]
    fn an_unfinished_store_gets_what_a_new_store_would_get() {
        let unfinished = Marker { state: State::Creating, ..format_1() };
        let made = unfinished.for_creation(Some(Integrity::Full));
        assert_eq!(made, Marker { state: State::Creating, ..marker() });
        assert_eq!(format_1().for_creation(Some(Integrity::Full)), format_1());
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_detected() {
        let text = marker().to_text();
        for len in 0..text.len() {
            assert!(parse(&text[..len]).is_err(), "cut at {len}");
        }
        for place in 0..text.len() {
            let mut edited = text.clone().into_bytes();
            edited[place] ^= 1;
            assert!(Marker::parse(&edited, Path::new("STRONGROOM")).is_err(), "changed at {place}");
        }
        assert!(parse(&format!("{text}more\n")).is_err());
    }

    #[test]
    fn a_marker_that_no_version_writes_is_refused() {
        let text = marker().to_text();
        for (written, otherwise) in [
            ("format: 2", "format: +2"),
            ("engine: redb\n", "engine: redb\nengine: sled\n"),
            ("engine: redb\n", "engine: redb\r\n"),
            ("state: ready\n", "state: ready\nengine: sled "),
        ] {
            let edited = text.replace(written, otherwise);
            let checked = &edited[..edited.find("checksum: ").unwrap()];
            let sealed = format!("{checked}checksum: {:016x}\n", xxh3_64(checked.as_bytes()));
            assert_eq!(parse(&sealed).unwrap_err().kind(), ErrorKind::Corruption, "{otherwise:?}");
        }
    }

    #[test]
    fn a_later_format_is_distinguished_from_damage() {
        let later = marker().to_text().replace("format: 2", "format: 3");
        assert_eq!(parse(&later).unwrap_err().kind(), ErrorKind::Unsupported);
        let edited = marker().to_text().replace("redb", "sled");
        assert_eq!(parse(&edited).unwrap_err().kind(), ErrorKind::Corruption);
    }
}
