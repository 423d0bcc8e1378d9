//! Copies directories, and damages files at seeded places.

use crate::name::DamageKind;
use crate::random::Random;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PAGE: usize = 4_096;

/// Copies a directory and its contents.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = {
            let entry = entry?;
            let target = to.join(entry.file_name());
            (entry, target)
        };
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Damages one file under `directory`; returns a description of the file and the damage.
pub(super) fn damage(directory: &Path, kind: DamageKind, random: &mut Random) -> io::Result<String> {
    let mut files = Vec::new();
    list(directory, &mut files)?;
    files.sort();
    // An empty file can only be extended or removed, and a lock file contains no rows.
    files.retain(|(path, len)| *len > 0 && path.file_name().is_some_and(|name| name != "LOCK"));
    if files.is_empty() {
        return Err(io::Error::other("the directory has no file to damage"));
    }
    let (path, _) = random.pick(&files).clone();
    let shown = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
    if kind == DamageKind::Deleted {
        fs::remove_file(&path)?;
        return Ok(format!("{shown} deleted"));
    }
    if kind == DamageKind::Swapped && files.len() > 1 && random.below(2) == 0 {
        return swap_files(directory, &path, &files, random);
    }
    let mut bytes = fs::read(&path)?;
    let what = damage_bytes(&mut bytes, kind, random);
    fs::write(&path, &bytes)?;
    Ok(format!("{shown} {what}"))
}

fn damage_bytes(bytes: &mut Vec<u8>, kind: DamageKind, random: &mut Random) -> String {
    let at = place(bytes, random);
    match kind {
        DamageKind::FlippedBit => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
        DamageKind::ZeroedPage => {
            let start = at / PAGE * PAGE;
            let end = (start + PAGE).min(bytes.len());
            bytes[start..end].fill(0);
            format!("zeroed from {start} to {end}")
        }
        DamageKind::Truncated => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        DamageKind::Extended => {
            let more = 1 + random.below(3 * PAGE);
            let random_bytes = random.below(2) == 0;
            bytes.extend((0..more).map(|_| if random_bytes { random.next().to_le_bytes()[0] } else { 0 }));
            format!("longer by {more}")
        }
        DamageKind::Swapped | DamageKind::Deleted => {
            let other = place(bytes, random);
            let (first, second) = (at / PAGE * PAGE, other / PAGE * PAGE);
            if first != second && first.max(second) + PAGE <= bytes.len() {
                for offset in 0..PAGE {
                    bytes.swap(first + offset, second + offset);
                }
                return format!("pages at {first} and {second} swapped");
            }
            // A file of one page: swaps its halves.
            let half = bytes.len() / 2;
            bytes.rotate_left(half);
            format!("rotated by {half}")
        }
    }
}

/// Picks an offset in a file, three times out of four at a byte that is not zero. Engines preallocate space, and
/// damage to unused bytes shows nothing.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    let mut at = random.below(bytes.len());
    if random.below(4) > 0 {
        for _ in 0..2_000 {
            if bytes[at] != 0 {
                break;
            }
            at = random.below(bytes.len());
        }
    }
    at
}

fn swap_files(
    directory: &Path,
    path: &Path,
    files: &[(PathBuf, u64)],
    random: &mut Random,
) -> io::Result<String> {
    let others: Vec<&PathBuf> = files.iter().map(|(other, _)| other).filter(|other| *other != path).collect();
    let other = *random.pick(&others);
    let scratch = directory.join("swapped.tmp");
    fs::rename(path, &scratch)?;
    fs::rename(other, path)?;
    fs::rename(&scratch, other)?;
    let name = |path: &Path| path.strip_prefix(directory).unwrap_or(path).display().to_string();
    Ok(format!("{} and {} swapped", name(path), name(other)))
}

fn list(directory: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let found = entry.metadata()?;
        if found.is_dir() {
            list(&entry.path(), files)?;
        } else if found.is_file() {
            files.push((entry.path(), found.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_changes_the_files() {
        for kind in DamageKind::ALL {
            for seed in 0..50 {
                let scratch = tempfile::tempdir().unwrap();
                let store = scratch.path().join("store");
                fs::create_dir_all(store.join("inner")).unwrap();
                let pages: Vec<u8> =
                    (0..3 * PAGE).map(|at| u8::try_from(at / PAGE * 7 + at % 5 + 1).unwrap()).collect();
                fs::write(store.join("inner/rows"), &pages).unwrap();
                fs::write(store.join("index"), "short").unwrap();
                fs::write(store.join("LOCK"), "process 1").unwrap();
                let copy = scratch.path().join("copy");
                copy_tree(&store, &copy).unwrap();
                damage(&copy, kind, &mut Random::new(seed)).unwrap();
                let content = |directory: &Path| {
                    let read = |name| fs::read(directory.join(name)).ok();
                    (read("inner/rows"), read("index"), read("LOCK"))
                };
                assert_ne!(content(&copy), content(&store), "{kind} {seed}");
                assert_eq!(content(&copy).2, content(&store).2);
            }
        }
    }
}
