//! Properties of crash images, checked on handmade logs.

use std::collections::BTreeSet;

use super::*;

const SECTOR: u64 = SECTOR_BYTES as u64;

fn write(sector: u64, sectors: usize, fill: u8) -> Entry {
    Entry::Write { offset: sector * SECTOR, data: vec![fill; sectors * SECTOR_BYTES].into() }
}

fn mark(text: &str) -> Entry {
    Entry::Mark(text.as_bytes().to_vec())
}

/// The first byte of each of the first `n` sectors; all bytes of a sector must be equal.
fn sectors_of(image: &Image, n: u64) -> Vec<u8> {
    (0..n)
        .map(|sector| {
            let mut bytes = [0; SECTOR_BYTES];
            image.read(sector * SECTOR, &mut bytes);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a torn sector");
            bytes[0]
        })
        .collect()
}

/// The distinct contents of crash images of `log`, cut at `cut`, over many seeds.
fn outcomes(log: &[Entry], cut: usize, kind: Crash, n: u64) -> BTreeSet<Vec<u8>> {
    let recording = Recording::new(Image::new(1 << 20), log.to_vec());
    (0..500).map(|seed| sectors_of(&recording.crash(cut, kind, &mut Random::new(seed)), n)).collect()
}

#[test]
fn flushed_writes_survive_every_kind_of_crash() {
    let log =
        [write(0, 2, 1), mark("a"), Entry::Flush, write(1, 1, 2), mark("b"), Entry::Flush, write(3, 1, 3)];
    for kind in Crash::ALL {
        for outcome in outcomes(&log, log.len(), kind, 4) {
            assert_eq!(outcome[..3], [1, 2, 0], "{}", kind.name());
        }
        for outcome in outcomes(&log, 5, kind, 4) {
            assert_eq!(outcome[0], 1, "{}", kind.name());
            assert_eq!(outcome[3], 0, "{}: a write after the cut", kind.name());
        }
    }
}

#[test]
fn drop_unflushed_keeps_none_and_keep_all_keeps_every_unflushed_write() {
    let log = [write(0, 1, 1), Entry::Flush, write(0, 1, 2), write(1, 1, 3), mark("x")];
    assert_eq!(outcomes(&log, 5, Crash::DropUnflushed, 2), BTreeSet::from([vec![1, 0]]));
    assert_eq!(outcomes(&log, 5, Crash::KeepAll, 2), BTreeSet::from([vec![2, 3]]));
    assert_eq!(outcomes(&log, 3, Crash::KeepAll, 2), BTreeSet::from([vec![2, 0]]));
    assert_eq!(outcomes(&log, 1, Crash::DropUnflushed, 2), BTreeSet::from([vec![0, 0]]));
    assert_eq!(outcomes(&log, 0, Crash::KeepAll, 2), BTreeSet::from([vec![0, 0]]));
    assert_eq!(outcomes(&log, 99, Crash::KeepAll, 2), BTreeSet::from([vec![2, 3]]));
}

#[test]
fn each_sector_survives_on_its_own() {
    let log = [Entry::Flush, write(0, 3, 1)];
    let seen = outcomes(&log, 2, Crash::RandomSectors, 3);
    assert_eq!(seen.len(), 8, "all subsets of three sectors: {seen:?}");
}

#[test]
fn a_later_write_may_be_lost_while_an_earlier_one_survives() {
    let log = [Entry::Flush, write(0, 1, 1), write(1, 1, 1), write(0, 1, 2)];
    let seen = outcomes(&log, 4, Crash::Reordered, 2);
    for wanted in [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]] {
        assert!(seen.contains(&wanted[..]), "{wanted:?} was never seen: {seen:?}");
    }
}

#[test]
fn only_the_last_write_is_torn() {
    let log = [Entry::Flush, write(0, 2, 1), write(2, 3, 2), mark("x")];
    let seen = outcomes(&log, 4, Crash::TornLast, 5);
    let wanted = [
        vec![1, 1, 0, 0, 0],
        vec![1, 1, 2, 0, 0],
        vec![1, 1, 2, 2, 0],
        vec![1, 1, 0, 0, 2], // from the back
        vec![1, 1, 0, 2, 2],
    ];
    assert_eq!(seen, BTreeSet::from(wanted));
    assert_eq!(outcomes(&[write(0, 1, 1)], 1, Crash::TornLast, 1), BTreeSet::from([vec![0]]));
}

#[test]
fn the_same_seed_makes_the_same_image() {
    let log: Vec<Entry> = (0..50).map(|i| write(i % 20, 2, 7)).collect();
    let recording = Recording::new(Image::new(1 << 20), log);
    for kind in Crash::ALL {
        let image = |seed| recording.crash(40, kind, &mut Random::new(seed));
        assert!(image(5) == image(5), "{}", kind.name());
    }
}

#[test]
fn marks_are_returned_with_their_index_in_the_log() {
    let log = vec![mark("a"), write(0, 1, 1), mark("b"), Entry::Flush];
    let recording = Recording::new(Image::new(1 << 20), log);
    assert_eq!(recording.marks().collect::<Vec<_>>(), [(0, &b"a"[..]), (2, &b"b"[..])]);
    assert_eq!(sectors_of(&recording.last(), 2), [1, 0]);
}

#[test]
fn an_unaligned_write_is_split_at_sector_boundaries() {
    let data = vec![1; 1000];
    let lens: Vec<_> = sectors(500, &data).map(|(offset, sector)| (offset, sector.len())).collect();
    assert_eq!(lens, [(500, 12), (512, 512), (1024, 476)]);
}
