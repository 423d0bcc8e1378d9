//! The file format: for each keyspace its name, its number of rows, and the key and value of each row. Names, keys
//! and values are length-prefixed.

use super::state::State;
use bytes::Bytes;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};

pub(super) fn save(state: &State, directory: &Path, name: &str) -> Result<()> {
    let mut bytes = Vec::new();
    for (keyspace, number) in &state.names {
        push(&mut bytes, keyspace.as_bytes());
        let rows = &state.rows[number];
        bytes.extend_from_slice(&(rows.len() as u64).to_le_bytes());
        for (key, value) in rows {
            push(&mut bytes, key);
            push(&mut bytes, value);
        }
    }
    let fresh = directory.join(format!("{name}.new"));
    let mut file = File::create(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, directory.join(name))?;
    // Makes the directory entry durable too.
    Ok(File::open(directory)?.sync_all()?)
}

fn push(bytes: &mut Vec<u8>, piece: &[u8]) {
    bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
    bytes.extend_from_slice(piece);
}

pub(super) fn load(path: &Path) -> Result<State> {
    let mut state = State::default();
    let mut left = match std::fs::read(path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(state),
        Err(error) => return Err(error.into()),
    };
    while !left.is_empty() {
        let name = pop(&mut left)?;
        let name = std::str::from_utf8(&name).map_err(|_| corrupt())?;
        let number = state.create(name);
        for _ in 0..pop_number(&mut left)? {
            let (key, value) = (pop(&mut left)?, pop(&mut left)?);
            state.rows.entry(number).or_default().insert(key, value);
        }
    }
    Ok(state)
}

fn pop_number(left: &mut Bytes) -> Result<u64> {
    let Some((number, _)) = left.split_first_chunk::<8>() else { return Err(corrupt()) };
    let number = u64::from_le_bytes(*number);
    drop(left.split_to(8));
    Ok(number)
}

fn pop(left: &mut Bytes) -> Result<Bytes> {
    let length = usize::try_from(pop_number(left)?).unwrap_or(usize::MAX);
    if length > left.len() {
        return Err(corrupt());
    }
    Ok(left.split_to(length))
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corruption, "the file of rows is truncated")
}
