//! Measures alternative shapes of the contract on the raw engines: how a read returns its value, and how a cursor
//! returns its rows. ADR 0002 weighs the figures.

use crate::measure::{median, nanos_each};
use crate::workload::{key, scatter, value};
use redb::ReadableDatabase as _;
use std::hint::black_box;
use std::path::Path;
use strongroom::Bytes;

#[derive(clap::Args)]
pub struct Arguments {
    /// Bytes of a value; may be given several times
    #[arg(long, default_values_t = [16, 100, 4_096, 65_536])]
    value_bytes: Vec<usize>,
    /// Rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

type Pair<G> = Option<(G, G)>;
type Row<'r> = Option<(&'r [u8], &'r [u8])>;

/// One engine: the raw read, and three ways to return its value through a trait object.
trait Engine {
    fn name(&self) -> &'static str;
    fn raw_get(&self, key: &[u8]);
    fn borrowed(&self, key: &[u8], visit: &mut dyn FnMut(&[u8]));
    fn shared(&self, key: &[u8]) -> Option<Bytes>;
    fn copied(&self, key: &[u8]) -> Option<Vec<u8>>;
    fn raw_scan(&self) -> u64;
    fn cursor(&self) -> Box<dyn Cursor + '_>;
}

/// Two shapes of a cursor: a step and two accessors, or a step that returns the row.
trait Cursor {
    fn row(&mut self) -> Row<'_>;
    fn advance(&mut self) -> bool;
    fn key(&self) -> &[u8];
    fn value(&self) -> &[u8];
}

/// A cursor over any iterator of pairs.
struct Pairs<I, G> {
    rows: I,
    row: Pair<G>,
}

impl<I: Iterator<Item = (G, G)>, G: AsRef<[u8]>> Cursor for Pairs<I, G> {
    fn row(&mut self) -> Row<'_> {
        self.row = self.rows.next();
        self.row.as_ref().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
    fn advance(&mut self) -> bool {
        self.row = self.rows.next();
        self.row.is_some()
    }
    fn key(&self) -> &[u8] {
        self.row.as_ref().map_or(&[], |(key, _)| key.as_ref())
    }
    fn value(&self) -> &[u8] {
        self.row.as_ref().map_or(&[], |(_, value)| value.as_ref())
    }
}

struct Sled(sled::Tree);

impl Engine for Sled {
    fn name(&self) -> &'static str {
        "sled"
    }
    fn raw_get(&self, key: &[u8]) {
        black_box(self.0.get(key).unwrap());
    }
    fn borrowed(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.0.get(key).unwrap() {
            visit(&value);
        }
    }
    fn shared(&self, key: &[u8]) -> Option<Bytes> {
        self.0.get(key).unwrap().map(Bytes::from_owner)
    }
    fn copied(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).unwrap().map(|value| value.to_vec())
    }
    fn raw_scan(&self) -> u64 {
        self.0.iter().map(|row| row.map(|(key, value)| (key.len() + value.len()) as u64).unwrap()).sum()
    }
    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(Pairs { rows: self.0.iter().map(Result::unwrap), row: None })
    }
}

struct Fjall(fjall::Keyspace);

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }
    fn raw_get(&self, key: &[u8]) {
        black_box(self.0.get(key).unwrap());
    }
    fn borrowed(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.0.get(key).unwrap() {
            visit(&value);
        }
    }
    fn shared(&self, key: &[u8]) -> Option<Bytes> {
        self.0.get(key).unwrap().map(Bytes::from_owner)
    }
    fn copied(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).unwrap().map(|value| value.to_vec())
    }
    fn raw_scan(&self) -> u64 {
        let bytes = |row: fjall::Guard| row.into_inner().map(|(key, value)| (key.len() + value.len()) as u64);
        self.0.iter().map(|row| bytes(row).unwrap()).sum()
    }
    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(Pairs { rows: self.0.iter().map(|row| row.into_inner().unwrap()), row: None })
    }
}

const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("shapes");

struct Redb(redb::Database);

struct Guard(redb::OwnedAccessGuard<&'static [u8]>);

impl AsRef<[u8]> for Guard {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

impl Redb {
    fn find(&self, key: &[u8]) -> Option<Guard> {
        let table = self.0.begin_read().unwrap().open_table(TABLE).unwrap();
        table.get_owned(key).unwrap().map(Guard)
    }

    fn rows(&self) -> impl Iterator<Item = (Guard, Guard)> {
        let table = self.0.begin_read().unwrap().open_table(TABLE).unwrap();
        let guarded = |(key, value)| (Guard(key), Guard(value));
        table.range_owned::<&[u8]>(..).unwrap().map(move |row| row.map(guarded).unwrap())
    }
}

impl Engine for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }
    fn raw_get(&self, key: &[u8]) {
        black_box(self.find(key).map(|guard| guard.0));
    }
    fn borrowed(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) {
        if let Some(value) = self.find(key) {
            visit(value.as_ref());
        }
    }
    fn shared(&self, key: &[u8]) -> Option<Bytes> {
        self.find(key).map(Bytes::from_owner)
    }
    fn copied(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.find(key).map(|value| value.as_ref().to_vec())
    }
    fn raw_scan(&self) -> u64 {
        self.rows().map(|(key, value)| (key.as_ref().len() + value.as_ref().len()) as u64).sum()
    }
    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(Pairs { rows: self.rows(), row: None })
    }
}

pub fn run(arguments: &Arguments) {
    for &len in &arguments.value_bytes {
        let rows = if len > 1_000 { 4_000 } else { 200_000 };
        println!("\nValues of {len} bytes, {rows} rows, nanoseconds each, medians of {}\n", arguments.rounds);
        println!(
            "| engine | get: raw | borrowed in a closure | shared `Bytes` | copied `Vec` | scan: raw | advance, key, value | row | blocks of 256 copied |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        let directory = tempfile::tempdir().unwrap();
        for engine in open_all(directory.path(), rows, len) {
            let gets = gets(&*engine, rows, arguments.rounds);
            let scans = scans(&*engine, rows, arguments.rounds);
            let cells: Vec<String> = gets.iter().chain(&scans).map(|nanos| format!("{nanos:.0}")).collect();
            println!("| {} | {} |", engine.name(), cells.join(" | "));
        }
    }
}

fn open_all(directory: &Path, rows: u64, len: usize) -> Vec<Box<dyn Engine>> {
    let tree = sled::open(directory.join("sled")).unwrap().open_tree("shapes").unwrap();
    let database = fjall::Database::builder(directory.join("fjall")).open().unwrap();
    let keyspace = database.keyspace("shapes", fjall::KeyspaceCreateOptions::default).unwrap();
    let redb = redb::Database::create(directory.join("shapes.redb")).unwrap();
    let transaction = redb.begin_write().unwrap();
    {
        let mut table = transaction.open_table(TABLE).unwrap();
        for number in 0..rows {
            let (key, value) = (key(number), value(number, len));
            table.insert(&key[..], &value[..]).unwrap();
            tree.insert(key, &value[..]).unwrap();
            keyspace.insert(key, &value[..]).unwrap();
        }
    }
    transaction.commit().unwrap();
    vec![Box::new(Redb(redb)), Box::new(Sled(tree)), Box::new(Fjall(keyspace))]
}

fn gets(engine: &dyn Engine, rows: u64, rounds: usize) -> [f64; 4] {
    let count = 100_000;
    let each =
        |read: &dyn Fn(&[u8])| nanos_each(count, || (0..count).for_each(|n| read(&key(scatter(n, rows)))));
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        samples[0].push(each(&|key| engine.raw_get(key)));
        samples[1].push(each(&|key| {
            engine.borrowed(key, &mut |value| {
                black_box(value);
            });
        }));
        samples[2].push(each(&|key| drop(black_box(engine.shared(key)))));
        samples[3].push(each(&|key| drop(black_box(engine.copied(key)))));
    }
    samples.map(|samples| median(&samples))
}

fn scans(engine: &dyn Engine, rows: u64, rounds: usize) -> [f64; 4] {
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        samples[0].push(nanos_each(rows, || {
            black_box(engine.raw_scan());
        }));
        samples[1].push(nanos_each(rows, || {
            let mut cursor = engine.cursor();
            while cursor.advance() {
                black_box((cursor.key(), cursor.value()));
            }
        }));
        samples[2].push(nanos_each(rows, || {
            let mut cursor = engine.cursor();
            while let Some(row) = cursor.row() {
                black_box(row);
            }
        }));
        samples[3].push(nanos_each(rows, || in_blocks(&mut *engine.cursor())));
    }
    samples.map(|samples| median(&samples))
}

/// Copies rows into a buffer, 256 at a time, as a cursor over a network would.
fn in_blocks(cursor: &mut dyn Cursor) {
    let mut buffer = Vec::new();
    let mut ends = Vec::new();
    loop {
        buffer.clear();
        ends.clear();
        while ends.len() < 256
            && let Some((key, value)) = cursor.row()
        {
            buffer.extend_from_slice(key);
            buffer.extend_from_slice(value);
            ends.push((key.len(), buffer.len()));
        }
        if ends.is_empty() {
            return;
        }
        black_box((&buffer, &ends));
    }
}
