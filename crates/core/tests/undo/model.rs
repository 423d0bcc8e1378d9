//! Random histories against a model.

use super::support::{PLENTY, Random, Row, keyspace, on_both, row, scan, undo_bytes};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use strongroom_core::{
    Cursor, Direction, Durability, KeyspaceId, Scan, Snapshot, StorageBackend, WriteBatch,
};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn expected(map: &Map, scan: &Scan) -> Vec<Row> {
    if scan.range.is_empty() {
        return Vec::new();
    }
    let end = scan.range.end().map_or(Bound::Unbounded, Bound::Excluded);
    let mut rows: Vec<Row> = map
        .range::<[u8], _>((Bound::Included(scan.range.start()), end))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if scan.direction == Direction::Forward {
        // Rows are popped from the end.
        rows.reverse();
    }
    rows
}

struct Open {
    snapshot: Arc<dyn Snapshot>,
    state: [Map; 2],
}

struct Walk {
    cursor: Box<dyn Cursor>,
    scan: Scan,
    state: Map,
    left: Vec<Row>,
}

struct History<'b> {
    backend: &'b dyn StorageBackend,
    ids: [KeyspaceId; 2],
    now: [Map; 2],
    open: Vec<Open>,
    walks: Vec<Walk>,
    random: Random,
}

impl History<'_> {
    fn step(&mut self) {
        match self.random.below(10) {
            0..=3 => self.write(),
            4 => self.open.push(Open { snapshot: self.backend.snapshot().unwrap(), state: self.now.clone() }),
            5 if self.open.len() > 4 => drop(self.open.swap_remove(self.random.below(self.open.len()))),
            6 if self.walks.len() > 6 => drop(self.walks.swap_remove(self.random.below(self.walks.len()))),
            5..=7 => self.begin_walk(),
            _ => self.walk(),
        }
    }

    fn write(&mut self) {
        let mut batch = WriteBatch::new();
        for _ in 0..=self.random.below(5) {
            let (place, key) = (self.random.below(2), self.random.key());
            if self.random.below(3) == 0 {
                batch.delete(self.ids[place], &key);
                self.now[place].remove(&key);
            } else {
                let value = self.random.below(1_000_000).to_string().into_bytes();
                batch.put(self.ids[place], &key, &value);
                self.now[place].insert(key, value);
            }
        }
        self.backend.commit(&batch, Durability::Buffered).unwrap();
    }

    fn begin_walk(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let open = &self.open[self.random.below(self.open.len())];
        let place = self.random.below(2);
        let key = self.random.key();
        let found = open.snapshot.get(self.ids[place], &key).unwrap();
        assert_eq!(found.as_deref(), open.state[place].get(&key).map(Vec::as_slice));
        let scan = self.random.scan();
        let state = open.state[place].clone();
        let cursor = open.snapshot.cursor(self.ids[place], scan.clone()).unwrap();
        let left = expected(&state, &scan);
        self.walks.push(Walk { cursor, scan, state, left });
    }

    fn walk(&mut self) {
        if self.walks.is_empty() {
            return;
        }
        let chosen = self.random.below(self.walks.len());
        let walk = &mut self.walks[chosen];
        if self.random.below(5) == 0 {
            let key = self.random.key();
            walk.cursor.seek(&key).unwrap();
            walk.left = expected(&walk.state, &walk.scan.seek(&key));
        }
        for _ in 0..=self.random.below(4) {
            let wanted = walk.left.pop();
            assert_eq!(walk.cursor.advance().unwrap(), wanted.is_some());
            match wanted {
                Some(wanted) => assert_eq!(row(&*walk.cursor), wanted),
                None => break,
            }
        }
    }
}

#[test]
fn random_histories_agree_with_a_model() {
    for seed in 1..=30 {
        on_both(PLENTY, |backend| {
            let ids = ["left", "right"].map(|name| keyspace(backend, name));
            let random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
            let (now, open, walks) = (Default::default(), Vec::new(), Vec::new());
            let mut history = History { backend, ids, now, open, walks, random };
            for _ in 0..1_500 {
                history.step();
            }
            for open in &history.open {
                for (id, state) in ids.iter().zip(&open.state) {
                    let mut wanted = expected(state, &Scan::all());
                    wanted.reverse();
                    assert_eq!(scan(&*open.snapshot, *id, Scan::all()), wanted);
                }
            }
            drop(history);
            assert_eq!(undo_bytes(backend), 0);
        });
    }
}
