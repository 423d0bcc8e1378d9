//! Atomic batches: operations over any keyspaces of one backend, with conditions on single keys.
//!
//! A batch is plain data. Keys and values share a single buffer, so adding an operation copies its bytes once
//! and makes no allocation of its own.

use crate::keyspace::KeyspaceId;
use crate::limits::{BATCH_BYTES_MAX, check_backend_key, check_backend_value};
use crate::{Error, ErrorKind, Result};

/// One operation of a batch, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<'b> {
    /// Sets `key` to `value`. An empty value is a value.
    Put {
        /// The key.
        key: &'b [u8],
        /// The value.
        value: &'b [u8],
    },
    /// Removes `key`; nothing happens if it is absent.
    Delete {
        /// The key.
        key: &'b [u8],
    },
}

impl<'b> Op<'b> {
    /// Returns the key of the operation.
    pub fn key(&self) -> &'b [u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// A condition on one key, checked inside the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// The key is absent.
    Absent,
    /// The key is present, whatever its value.
    Present,
    /// The value equals these bytes.
    Equals(Vec<u8>),
    /// The value begins with these bytes (for example a version in a header).
    StartsWith(Vec<u8>),
}

impl Expect {
    /// Returns whether `value` meets the condition. `None` means that the key is absent.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Absent, found) => found.is_none(),
            (Self::Present, found) => found.is_some(),
            (Self::Equals(wanted), Some(found)) => found == wanted.as_slice(),
            (Self::StartsWith(wanted), Some(found)) => found.starts_with(wanted),
            (Self::Equals(_) | Self::StartsWith(_), None) => false,
        }
    }
}

/// A condition of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The keyspace of the key.
    pub keyspace: KeyspaceId,
    /// The key.
    pub key: Vec<u8>,
    /// The condition.
    pub expect: Expect,
}

/// Identifies a batch, so that it cannot be committed twice. A caller that lost the reply can ask whether it
/// was committed ([`StorageBackend::committed`](crate::StorageBackend::committed)). Use random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitToken(pub [u8; 16]);

#[derive(Debug, Clone, Copy)]
struct RawOp {
    keyspace_slot: u32,
    key_start: usize,
    key_len: u32,
    /// `None` is a delete: an empty value is a value.
    value_len: Option<u32>,
}

/// Operations that are committed atomically. Later operations on a key win over earlier ones of the same batch.
///
/// ```
/// use strongroom_core::{Backend, Durability, Expect, KeyspaceHints, MemoryBackend, StorageBackend, WriteBatch};
///
/// # fn main() -> strongroom_core::Result<()> {
/// let backend = MemoryBackend::in_memory();
/// let users = backend.create_keyspace("users", KeyspaceHints::default())?;
/// let emails = backend.create_keyspace("emails", KeyspaceHints::default())?;
///
/// let mut batch = WriteBatch::new();
/// batch.expect(emails, b"ada@example.org", Expect::Absent);
/// batch.put(emails, b"ada@example.org", b"1");
/// batch.put(users, b"1", b"Ada");
/// backend.commit(&batch, Durability::Buffered)?;
///
/// let again = backend.commit(&batch, Durability::Buffered).unwrap_err();
/// assert_eq!(again.kind(), strongroom_core::ErrorKind::Conflict);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    ops: Vec<RawOp>,
    /// The distinct keyspaces in order of first use: engines prepare one handle for each.
    keyspaces: Vec<KeyspaceId>,
    conditions: Vec<Condition>,
    token: Option<CommitToken>,
    /// Set when a length did not fit its field. The commit reports it.
    overflowed: bool,
}

impl WriteBatch {
    /// Returns an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty batch with room for `ops` operations of `bytes` bytes in total.
    pub fn with_capacity(ops: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ops: Vec::with_capacity(ops), ..Self::default() }
    }

    /// Sets `key` to `value`. The commit checks the limits.
    pub fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: &[u8]) -> &mut Self {
        self.put_parts(keyspace, key, &[value])
    }

    /// Sets `key` to the concatenation of `parts`, so that a header and a payload need not be joined first.
    pub fn put_parts(&mut self, keyspace: KeyspaceId, key: &[u8], parts: &[&[u8]]) -> &mut Self {
        let value_len = parts.iter().map(|part| part.len()).sum();
        self.push(keyspace, key, Some(value_len));
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self
    }

    /// Removes `key`.
    pub fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) -> &mut Self {
        self.push(keyspace, key, None);
        self
    }

    /// Adds a condition. If it does not hold, the commit writes nothing and returns [`ErrorKind::Conflict`].
    /// Conditions see the state before the batch's own operations.
    pub fn expect(&mut self, keyspace: KeyspaceId, key: &[u8], expect: Expect) -> &mut Self {
        self.conditions.push(Condition { keyspace, key: key.to_vec(), expect });
        self
    }

    /// Sets the batch's token (see [`CommitToken`]).
    pub fn set_token(&mut self, token: CommitToken) -> &mut Self {
        self.token = Some(token);
        self
    }

    /// Returns the batch's token, if it has one.
    pub fn token(&self) -> Option<CommitToken> {
        self.token
    }

    /// Returns the conditions.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Returns the distinct keyspaces that operations write to, in order of first use.
    pub fn keyspaces(&self) -> &[KeyspaceId] {
        &self.keyspaces
    }

    /// Returns the operations in order, each with the index of its keyspace in [`keyspaces`](Self::keyspaces).
    pub fn ops(&self) -> impl ExactSizeIterator<Item = (usize, Op<'_>)> + Clone {
        self.ops.iter().map(|op| {
            let (key, rest) = self.bytes[op.key_start..].split_at(op.key_len as usize);
            let borrowed = match op.value_len {
                Some(len) => Op::Put { key, value: &rest[..len as usize] },
                None => Op::Delete { key },
            };
            (op.keyspace_slot as usize, borrowed)
        })
    }

    /// Returns the number of operations.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Returns whether there are no operations. There may still be conditions.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Returns the size of keys and values together, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Empties the batch and keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ops.clear();
        self.keyspaces.clear();
        self.conditions.clear();
        self.token = None;
        self.overflowed = false;
    }

    /// Checks every limit before an engine sees the batch.
    pub fn check(&self) -> Result<()> {
        if self.overflowed || self.bytes.len() > BATCH_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the batch is larger than the limit of {BATCH_BYTES_MAX} bytes"),
            )
            .hint("commit smaller batches"));
        }
        for (_, op) in self.ops() {
            check_backend_key(op.key())?;
            if let Op::Put { value, .. } = op {
                check_backend_value(value)?;
            }
        }
        self.conditions.iter().try_for_each(|condition| check_backend_key(&condition.key))
    }

    fn push(&mut self, keyspace: KeyspaceId, key: &[u8], value_len: Option<usize>) {
        let keyspace_slot = self.slot_of(keyspace);
        let key_len = self.fit(key.len());
        let value_len = value_len.map(|len| self.fit(len));
        self.ops.push(RawOp { keyspace_slot, key_start: self.bytes.len(), key_len, value_len });
        self.bytes.extend_from_slice(key);
    }

    /// A batch touches few keyspaces, and usually the last one again, so this searches from the end.
    fn slot_of(&mut self, keyspace: KeyspaceId) -> u32 {
        let found = self.keyspaces.iter().rposition(|known| *known == keyspace);
        let slot = found.unwrap_or_else(|| {
            self.keyspaces.push(keyspace);
            self.keyspaces.len() - 1
        });
        self.fit(slot)
    }

    fn fit(&mut self, len: usize) -> u32 {
        u32::try_from(len).unwrap_or_else(|_| {
            self.overflowed = true;
            u32::MAX
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyspaceId = KeyspaceId(3);
    const B: KeyspaceId = KeyspaceId(1);

    #[test]
    fn operations_come_back_in_order_with_their_keyspaces() {
        let mut batch = WriteBatch::new();
        batch.put(A, b"k", b"v").delete(B, b"gone").put_parts(A, b"empty", &[]).put(A, b"k", b"w");
        assert_eq!(batch.keyspaces(), [A, B]);
        let ops: Vec<_> = batch.ops().collect();
        assert_eq!(
            ops,
            [
                (0, Op::Put { key: b"k", value: b"v" }),
                (1, Op::Delete { key: b"gone" }),
                (0, Op::Put { key: b"empty", value: b"" }),
                (0, Op::Put { key: b"k", value: b"w" }),
            ]
        );
    }

    #[test]
    fn conditions_tell_an_empty_value_from_an_absent_one() {
        assert!(Expect::Absent.holds(None) && !Expect::Absent.holds(Some(b"")));
        assert!(Expect::Present.holds(Some(b"")) && !Expect::Present.holds(None));
        assert!(Expect::Equals(vec![]).holds(Some(b"")) && !Expect::Equals(vec![]).holds(None));
        assert!(Expect::StartsWith(vec![]).holds(Some(b"x")));
        assert!(!Expect::StartsWith(vec![]).holds(None));
    }

    #[test]
    fn limits_are_checked_before_any_engine() {
        let mut batch = WriteBatch::new();
        batch.put(A, b"", b"v");
        assert_eq!(batch.check().unwrap_err().kind(), ErrorKind::InvalidInput);
        batch.clear();
        batch.delete(A, &[0; 1_089]);
        assert_eq!(batch.check().unwrap_err().kind(), ErrorKind::InvalidInput);
        batch.clear();
        batch.expect(A, b"", Expect::Absent);
        assert_eq!(batch.check().unwrap_err().kind(), ErrorKind::InvalidInput);
        batch.clear();
        batch.put(A, &[0; 1_088], b"");
        assert!(batch.check().is_ok());
    }
}
