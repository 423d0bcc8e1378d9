//! The writes of a transaction, until it is committed.

use crate::request::Expiry;
use std::collections::BTreeMap;

/// By key; none deletes.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Written>>;

/// A value that is set.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) value: Vec<u8>,
    pub(super) expiry: Expiry,
}
