//! One portable limit for every engine, checked before any engine is called.
//!
//! Engines differ, and some fail badly: fjall 3.1 panics on an empty key after it has written its journal, so
//! that the store can never be opened again. Therefore no engine sees a key or a value that the strictest of
//! them cannot hold.

use crate::{Error, ErrorKind, Result};

/// Longest key that an application may write, in bytes. The shortest is one byte.
pub const KEY_BYTES_MAX: usize = 1_024;

/// How much the layers above may add to a key (interned namespace ids and the like), in bytes.
pub const KEY_OVERHEAD_BYTES_MAX: usize = 64;

/// Largest value that an application may write, in bytes (16 MiB). Larger data belongs in a blob store, which
/// splits it.
pub const VALUE_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// How much the layers above may add to a value (envelope, later encryption), in bytes.
pub const VALUE_OVERHEAD_BYTES_MAX: usize = 256;

/// Largest batch, keys and values together, in bytes (1 GiB).
pub const BATCH_BYTES_MAX: usize = 1_024 * 1_024 * 1_024;

/// Checks a key against the limits of a backend.
///
/// ```
/// use strongroom_core::{ErrorKind, limits::check_backend_key};
///
/// assert!(check_backend_key(b"a").is_ok());
/// assert_eq!(check_backend_key(b"").unwrap_err().kind(), ErrorKind::InvalidInput);
/// ```
pub fn check_backend_key(key: &[u8]) -> Result<()> {
    check_key_against(key, KEY_BYTES_MAX + KEY_OVERHEAD_BYTES_MAX)
}

/// Checks a value against the limits of a backend.
pub fn check_backend_value(value: &[u8]) -> Result<()> {
    check_value_against(value, VALUE_BYTES_MAX + VALUE_OVERHEAD_BYTES_MAX)
}

/// Checks a key against `bytes_max`, which the caller may have set lower than [`KEY_BYTES_MAX`].
pub fn check_key_against(key: &[u8], bytes_max: usize) -> Result<()> {
    if key.is_empty() {
        return Err(
            Error::new(ErrorKind::InvalidInput, "the key is empty").hint("use a key of at least one byte")
        );
    }
    if key.len() > bytes_max {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the key has {} bytes, the limit is {bytes_max}", key.len()),
        )
        .hint("shorten or hash the key"));
    }
    Ok(())
}

/// Checks a value against `bytes_max`.
pub fn check_value_against(value: &[u8], bytes_max: usize) -> Result<()> {
    if value.len() > bytes_max {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the value has {} bytes, the limit is {bytes_max}", value.len()),
        )
        .hint("split the value"));
    }
    Ok(())
}
