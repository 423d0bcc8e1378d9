//! Counters: values that are whole numbers in decimal text, added to inside the commit.
//!
//! One encoding and no other: ASCII decimal digits, `-` before a negative number, no leading zeros, no `+`, from
//! -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807. So a counter can be read and set like any value, and two
//! that are equal are the same bytes.

use crate::batch::{Batch, Computed};
use crate::keyspace::Keyspace;
use strongroom_core::limits::check_key_against;
use strongroom_core::{Error, ErrorKind, Result};

impl Keyspace {
    /// Adds `by` to the number that is the value of `key`, and says what it is then. An absent key counts as 0. The
    /// leader of the commit adds, so that concurrent additions share a sync and none is tried twice. A row that expires
    /// does so at the same instant as before.
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput): the value is no number in this encoding, or the sum is too large;
    /// nothing is changed.
    ///
    /// ```
    /// # use strongroom_core::{Durability, MemoryBackend};
    /// # use strongroom_store::{Store, StoreOptions};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
    /// let visits = store.create_keyspace("visits")?;
    /// assert_eq!(visits.increment("home", 1)?, 1);
    /// assert_eq!(visits.increment("home", -3)?, -2);
    /// assert_eq!(visits.get("home")?.as_deref(), Some(&b"-2"[..]));
    /// # Ok(()) }
    /// ```
    pub fn increment(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64> {
        self.located("increment", || self.try_increment(key.as_ref(), by, false))
    }

    /// As [`increment`](Self::increment), for what must not come to an end whatever the keyspace's default is.
    pub(crate) fn increment_for_ever(&self, key: &[u8], by: i64) -> Result<i64> {
        self.located("increment", || self.try_increment(key, by, true))
    }

    fn try_increment(&self, key: &[u8], by: i64, for_ever: bool) -> Result<i64> {
        check_key_against(key, self.store().options.key_bytes_max)?;
        let mut batch = Batch::new(self.store_instance(), self.store().options.durability);
        batch.compute(Computed::Add { keyspace: self.id(), key: key.to_vec(), by, for_ever });
        let number = self.store().commit_computed(&batch)?.number;
        number.ok_or_else(|| Error::new(ErrorKind::CommitUnknown, "invariant 8: a counter without a number"))
    }
}

/// The number that `value` is, with `by` added.
pub(crate) fn add(value: &[u8], by: i64) -> Result<i64> {
    let number = parse(value).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the value is no number that can be counted with")
            .hint("a counter is decimal text, such as -7 or 120, without leading zeros")
    })?;
    number.checked_add(by).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "the sum is beyond the range of a counter")
            .hint("a counter has 64 bits with sign; set it back, or count in two of them")
    })
}

pub(crate) fn encode(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// None: it is not in the one encoding.
pub(crate) fn parse(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (encode(number) == value).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_encoding() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(parse(&encode(number)), Some(number));
        }
        for text in ["", "+1", "01", "-0", "-", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "\u{661}"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"\xff"), None);
    }
}
