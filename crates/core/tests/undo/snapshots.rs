//! What a snapshot sees.

use super::support::{PLENTY, delete, keyspace, on_both, put, rest, row, scan, text, undo_bytes};
use strongroom_core::{Durability, KeyRange, Scan, WriteBatch};

#[test]
fn a_snapshot_sees_the_state_before_overwrites_deletes_and_inserts() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("b", "1"), ("d", "2"), ("f", "3"), ("h", "4")]);
        let snapshot = backend.snapshot().unwrap();
        put(backend, data, &[("a", "new"), ("d", "changed"), ("e", "new"), ("i", "new")]);
        delete(backend, data, &["b", "h"]);

        assert_eq!(text(&scan(&*snapshot, data, Scan::all())), "b=1 d=2 f=3 h=4");
        assert_eq!(text(&scan(&*snapshot, data, Scan::all().reverse())), "h=4 f=3 d=2 b=1");
        let now = backend.snapshot().unwrap();
        assert_eq!(text(&scan(&*now, data, Scan::all())), "a=new d=changed e=new f=3 i=new");
        let get = |key: &str| snapshot.get(data, key.as_bytes()).unwrap();
        assert_eq!(get("b").as_deref(), Some(&b"1"[..]));
        assert_eq!(get("d").as_deref(), Some(&b"2"[..]));
        assert_eq!(get("f").as_deref(), Some(&b"3"[..]));
        assert_eq!(get("a"), None);
        // Deleted, rewritten, deleted: still the first value.
        put(backend, data, &[("b", "again")]);
        delete(backend, data, &["b"]);
        assert_eq!(get("b").as_deref(), Some(&b"1"[..]));
    });
}

#[test]
fn seeks_ranges_and_prefixes_see_kept_rows() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        put(backend, data, &[("a", "1"), ("aa", "2"), ("ab", "3"), ("b", "4"), ("ba", "5"), ("c", "6")]);
        let snapshot = backend.snapshot().unwrap();
        delete(backend, data, &["aa", "b", "c"]);
        put(backend, data, &[("aaa", "new"), ("ab", "changed"), ("bb", "new")]);

        assert_eq!(text(&scan(&*snapshot, data, Scan::prefix(b"a"))), "a=1 aa=2 ab=3");
        assert_eq!(text(&scan(&*snapshot, data, Scan::prefix(b"b").reverse())), "ba=5 b=4");
        let middle = Scan::new(KeyRange::between("aa", "ba"));
        assert_eq!(text(&scan(&*snapshot, data, middle.clone())), "aa=2 ab=3 b=4");
        assert_eq!(text(&scan(&*snapshot, data, middle.clone().reverse())), "b=4 ab=3 aa=2");

        let mut cursor = snapshot.cursor(data, middle.clone()).unwrap();
        cursor.seek(b"aaa").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "ab=3 b=4");
        cursor.seek(b"a").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "aa=2 ab=3 b=4", "backwards, within its range");
        let mut cursor = snapshot.cursor(data, middle.reverse()).unwrap();
        cursor.seek(b"b").unwrap();
        assert!(cursor.advance().unwrap());
        assert_eq!(text(&[row(&*cursor)]), "b=4");
        cursor.seek(b"aaa").unwrap();
        assert_eq!(text(&rest(&mut *cursor)), "aa=2");
    });
}

#[test]
fn keys_of_ff_are_merged_in_order() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        let keys: [&[u8]; 5] = [b"a\xff", b"a\xff\0", b"a\xff\xff", b"a\xff\xff\xff", b"\xff\xff"];
        let mut batch = WriteBatch::new();
        for key in keys {
            batch.put(data, key, b"old");
        }
        backend.commit(&batch, Durability::Buffered).unwrap();
        let snapshot = backend.snapshot().unwrap();
        for removed in [&keys[..1], &keys[3..]] {
            batch.clear();
            for key in removed {
                batch.delete(data, key);
            }
            backend.commit(&batch, Durability::Buffered).unwrap();
        }
        let found: Vec<_> =
            scan(&*snapshot, data, Scan::prefix(b"a\xff")).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, &keys[..4]);
        let found = scan(&*snapshot, data, Scan::prefix(b"\xff").reverse());
        assert_eq!(found[0].0, keys[4]);
    });
}

#[test]
fn snapshots_of_different_age_see_different_states() {
    on_both(PLENTY, |backend| {
        let data = keyspace(backend, "data");
        let mut snapshots = Vec::new();
        for age in 0..20 {
            put(backend, data, &[("k", &age.to_string()), (&format!("only{age:02}"), "x")]);
            if age > 0 {
                delete(backend, data, &[&format!("only{:02}", age - 1)]);
            }
            snapshots.push(backend.snapshot().unwrap());
        }
        // Dropped from the middle, from both ends and in between; the others still see their own state.
        for dropped in [10, 0, 17, 5, 4, 3] {
            snapshots.remove(dropped);
            for snapshot in &snapshots {
                let age: u32 = std::str::from_utf8(&snapshot.get(data, b"k").unwrap().unwrap())
                    .unwrap()
                    .parse()
                    .unwrap();
                let wanted = format!("k={age} only{age:02}=x");
                assert_eq!(text(&scan(&**snapshot, data, Scan::all())), wanted);
            }
        }
        snapshots.clear();
        assert_eq!(undo_bytes(backend), 0);
    });
}

#[test]
fn a_snapshot_crosses_long_runs_of_keys_that_only_older_ones_need() {
    for removed in [1_023, 1_024, 1_025, 3_000] {
        on_both(PLENTY, |backend| {
            let data = keyspace(backend, "data");
            let keys: Vec<_> = (0..removed).map(|number| format!("m{number:04}")).collect();
            let rows: Vec<_> = keys.iter().map(|key| (key.as_str(), "old")).collect();
            put(backend, data, &[("a", "1"), ("z", "2")]);
            put(backend, data, &rows);
            let older = backend.snapshot().unwrap();
            delete(backend, data, &keys.iter().map(String::as_str).collect::<Vec<_>>());
            // With 1,023, the last key of one step is the engine's next row.
            put(backend, data, &[("a", "3"), ("z", "3")]);
            let newer = backend.snapshot().unwrap();
            put(backend, data, &[("zz", "4")]);
            assert_eq!(text(&scan(&*newer, data, Scan::all())), "a=3 z=3");
            assert_eq!(text(&scan(&*newer, data, Scan::all().reverse())), "z=3 a=3");
            assert_eq!(text(&scan(&*newer, data, Scan::prefix(b"m"))), "");
            assert_eq!(scan(&*older, data, Scan::all()).len(), removed + 2);
        });
    }
}
