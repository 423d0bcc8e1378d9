//! The lines of the protocol: JSON, one object a line. The documentation of the crate describes them.

use crate::stats::AdminStats;
use serde::ser::{SerializeMap as _, SerializeStruct as _};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::{Change, ChangeKind, DEFAULT_KEYSPACE, WatchedCommit};

const VERSION: u64 = 1;
const REQUEST_HINT: &str = "send a request as the documentation of strongroom::admin describes it";

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Stats,
    Watch { keyspace: String, prefix: Vec<u8> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    v: u64,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyspace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix_hex: Option<String>,
}

/// The version alone: the other fields depend on it.
#[derive(Deserialize)]
struct AnyRequest {
    v: Option<u64>,
}

impl Request {
    /// Reads a request. Errors say what is wrong without repeating its contents.
    pub(crate) fn parse(line: &[u8]) -> Result<Self> {
        let invalid = |what: &str| Error::new(ErrorKind::InvalidInput, what).hint(REQUEST_HINT);
        let any: AnyRequest = serde_json::from_slice(line)
            .map_err(|_| invalid("the request is not a JSON object on one line"))?;
        match any.v {
            Some(VERSION) => {}
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the request has an unknown version of the protocol",
                )
                .hint("send version 1, or update the application"));
            }
            None => return Err(invalid("the request has no version")),
        }
        let line: RequestLine = serde_json::from_slice(line)
            .map_err(|_| invalid("the request has an unknown field or lacks its command"))?;
        match (&*line.command, line.keyspace, line.prefix_hex) {
            ("stats", None, None) => Ok(Self::Stats),
            ("stats", ..) => Err(invalid("stats is about the whole store and takes no keyspace")),
            ("watch", keyspace, prefix) => {
                let prefix = unhex(prefix.as_deref().unwrap_or_default());
                Ok(Self::Watch {
                    keyspace: keyspace.unwrap_or_else(|| DEFAULT_KEYSPACE.to_owned()),
                    prefix: prefix.ok_or_else(|| invalid("the prefix is not hexadecimal"))?,
                })
            }
            _ => Err(invalid("the request has an unknown command")),
        }
    }

    pub(crate) fn line(&self) -> String {
        let (command, keyspace, prefix_hex) = match self {
            Self::Stats => ("stats", None, None),
            Self::Watch { keyspace, prefix } => {
                ("watch", Some(keyspace.clone()), Some(Hex(prefix).to_string()))
            }
        };
        let line = RequestLine { v: VERSION, command: command.to_owned(), keyspace, prefix_hex };
        // Strings and a number can always be written.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}

/// The first line of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<Box<AdminStats>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) watch: Option<WatchBegun>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<SentError>,
}

/// The answer to a watch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WatchBegun {
    pub(crate) engine: String,
}

/// An error as it is sent to another process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentError {
    kind: String,
    message: String,
    hint: String,
}

impl Answer {
    pub(crate) fn stats(stats: AdminStats) -> Self {
        Self { ok: true, stats: Some(Box::new(stats)), watch: None, error: None }
    }

    pub(crate) fn watch(engine: &str) -> Self {
        Self { ok: true, stats: None, watch: Some(WatchBegun { engine: engine.to_owned() }), error: None }
    }

    pub(crate) fn error(error: &Error) -> Self {
        Self { ok: false, stats: None, watch: None, error: Some(error.into()) }
    }
}

impl From<&Error> for SentError {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str().to_owned(),
            message: error.story(),
            hint: error.way_out().to_owned(),
        }
    }
}

impl From<SentError> for Error {
    fn from(sent: SentError) -> Self {
        // A kind of a later version: the caller may try again.
        let kind = KINDS.into_iter().find(|kind| kind.as_str() == sent.kind);
        Error::new(kind.unwrap_or(ErrorKind::Unavailable), sent.message).hint(sent.hint)
    }
}

const KINDS: [ErrorKind; 13] = [
    ErrorKind::Conflict,
    ErrorKind::Unavailable,
    ErrorKind::CommitUnknown,
    ErrorKind::SnapshotExpired,
    ErrorKind::QuotaExceeded,
    ErrorKind::InvalidInput,
    ErrorKind::Unsupported,
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::Corruption,
    ErrorKind::Closed,
    ErrorKind::Locked,
    ErrorKind::Io,
];

/// A commit, serialized in place: only the writer's buffer is copied.
pub(crate) struct CommitLine<'c>(pub(crate) &'c WatchedCommit);

struct Changes<'c>(&'c [Change]);
struct ChangeLine<'c>(&'c Change);

impl Serialize for CommitLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("commit", 2)?;
        line.serialize_field("sequence", &self.0.sequence)?;
        line.serialize_field("changes", &Changes(&self.0.changes))?;
        line.end()
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ChangeLine))
    }
}

impl Serialize for ChangeLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, value) = match &self.0.kind {
            ChangeKind::Set(value) => ("set", Some(value)),
            ChangeKind::Expired => ("expire", None),
            _ => ("delete", None),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("keyspace", &*self.0.keyspace)?;
        bytes_entry(&mut map, "key", "key_hex", &self.0.key)?;
        map.serialize_entry("kind", kind)?;
        if let Some(value) = value {
            bytes_entry(&mut map, "value", "value_hex", value)?;
        }
        map.end()
    }
}

fn bytes_entry<M: serde::ser::SerializeMap>(
    map: &mut M,
    text_name: &str,
    hex_name: &str,
    bytes: &[u8],
) -> Result<(), M::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.serialize_entry(text_name, text),
        Err(_) => map.serialize_entry(hex_name, &Hex(bytes)),
    }
}

/// Bytes in hexadecimal.
struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// A line of a watch that is not a commit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OtherLine {
    Lagged(u64),
    Heartbeat(bool),
    End(EndLine),
}

/// Why a watch ends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EndLine {
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<SentError>,
}

const STORE_CLOSED: &str = "store closed";
const SOCKET_CLOSED: &str = "socket closed";

impl OtherLine {
    pub(crate) fn end(end: AdminEnd) -> Self {
        let reason = match end {
            AdminEnd::StoreClosed => STORE_CLOSED,
            AdminEnd::SocketClosed => SOCKET_CLOSED,
        };
        Self::End(EndLine { reason: reason.to_owned(), error: None })
    }

    pub(crate) fn failed(error: &Error) -> Self {
        Self::End(EndLine { reason: "failed".to_owned(), error: Some(error.into()) })
    }
}

/// Why a watch ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminEnd {
    /// The application has closed its store.
    StoreClosed,
    /// The application has closed its admin socket.
    SocketClosed,
}

/// A committed change, as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminChange {
    /// The keyspace's name.
    pub keyspace: String,
    /// The key.
    pub key: Vec<u8>,
    /// What happened to it.
    pub kind: AdminChangeKind,
}

/// What happened to a key, as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminChangeKind {
    /// It was set to this value.
    Set(Vec<u8>),
    /// It was deleted, whether it existed or not.
    Deleted,
    /// It had expired and was removed from the disk.
    Expired,
}

/// A line of a watch, as the client reads it.
#[derive(Debug)]
pub(crate) enum WatchLine {
    Commit {
        sequence: u64,
        changes: Vec<AdminChange>,
    },
    Lagged(u64),
    End(Result<AdminEnd>),
    /// A heartbeat, or a line of a later version.
    Other,
}

#[derive(Deserialize)]
struct ReadLine {
    sequence: Option<u64>,
    #[serde(default)]
    changes: Vec<ReadChange>,
    lagged: Option<u64>,
    end: Option<EndLine>,
}

#[derive(Deserialize)]
struct ReadChange {
    keyspace: String,
    key: Option<String>,
    key_hex: Option<String>,
    kind: String,
    value: Option<String>,
    value_hex: Option<String>,
}

impl WatchLine {
    /// Returns `None` for a line that is not in the protocol.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line: ReadLine = serde_json::from_slice(line).ok()?;
        if let Some(sequence) = line.sequence {
            let changes = line.changes.into_iter().map(ReadChange::change).collect::<Option<_>>()?;
            return Some(Self::Commit { sequence, changes });
        }
        if let Some(missed) = line.lagged {
            return Some(Self::Lagged(missed));
        }
        let Some(end) = line.end else { return Some(Self::Other) };
        Some(Self::End(match (&*end.reason, end.error) {
            (_, Some(sent)) => Err(sent.into()),
            (STORE_CLOSED, None) => Ok(AdminEnd::StoreClosed),
            _ => Ok(AdminEnd::SocketClosed),
        }))
    }
}

impl ReadChange {
    fn change(self) -> Option<AdminChange> {
        let bytes = |text: Option<String>, hex: Option<String>| match (text, hex) {
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(hex)) => unhex(&hex),
            _ => None,
        };
        let kind = match &*self.kind {
            "set" => AdminChangeKind::Set(bytes(self.value, self.value_hex)?),
            "delete" => AdminChangeKind::Deleted,
            "expire" => AdminChangeKind::Expired,
            _ => return None,
        };
        Some(AdminChange { keyspace: self.keyspace, key: bytes(self.key, self.key_hex)?, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip() {
        let watch = |keyspace: &str, prefix: &[u8]| Request::Watch {
            keyspace: keyspace.to_owned(),
            prefix: prefix.to_vec(),
        };
        for request in [Request::Stats, watch("default", b""), watch("a \"b\"\n", b"\x00\xff/")] {
            let line = request.line();
            assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
            assert_eq!(Request::parse(line.as_bytes()).unwrap(), request);
        }
        assert_eq!(Request::parse(br#"{"v":1,"command":"watch"}"#).unwrap(), watch("default", b""));
    }

    #[test]
    fn an_invalid_request_is_refused_without_repeating_it() {
        for (line, kind) in [
            ("", ErrorKind::InvalidInput),
            ("secret", ErrorKind::InvalidInput),
            ("[\"secret\"]", ErrorKind::InvalidInput),
            (r#"{"v":"secret"}"#, ErrorKind::InvalidInput),
            (r#"{"command":"stats"}"#, ErrorKind::InvalidInput),
            (r#"{"v":2,"secret":1}"#, ErrorKind::Unsupported),
            (r#"{"v":1,"command":"secret"}"#, ErrorKind::InvalidInput),
            (r#"{"v":1,"command":"stats","secret":1}"#, ErrorKind::InvalidInput),
            (r#"{"v":1,"command":"stats","keyspace":"secret"}"#, ErrorKind::InvalidInput),
            (r#"{"v":1,"command":"watch","prefix_hex":"secret"}"#, ErrorKind::InvalidInput),
        ] {
            let error = Request::parse(line.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), kind, "{line}");
            assert!(!error.one_line().contains("secret"), "{error}");
        }
    }

    #[test]
    fn every_kind_of_error_round_trips() {
        for kind in KINDS {
            let sent = SentError::from(&Error::new(kind, "message").hint("hint"));
            let error = Error::from(sent);
            assert_eq!((error.kind(), error.message(), error.way_out()), (kind, "message", "hint"));
        }
    }
}
