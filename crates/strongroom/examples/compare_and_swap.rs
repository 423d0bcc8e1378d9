//! Many threads increment a counter without a lost update: read, compute, commit on a condition, retry on conflict.
//!
//! `Keyspace::increment` does this in one step; the example shows the general pattern.

use std::thread;
use strongroom::{ErrorKind, Keyspace, Result, Store};

fn increment(store: &Store, counters: &Keyspace) -> Result<u64> {
    loop {
        let row = counters.get_row("visits")?;
        let now: u64 = match &row {
            Some(row) => String::from_utf8_lossy(&row.value).parse().unwrap_or(0),
            None => 0,
        };
        let mut batch = store.batch();
        match &row {
            Some(row) => batch.expect_version(counters, "visits", row.version),
            None => batch.expect_absent(counters, "visits"),
        };
        batch.set(counters, "visits", (now + 1).to_string());
        match store.commit(&batch) {
            Ok(_) => return Ok(now + 1),
            // Another thread committed first.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<()> {
    let store = strongroom::open("memory:?durability=buffered")?;
    let counters = store.create_keyspace("counters")?;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..250).try_for_each(|_| increment(&store, &counters).map(drop))))
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    println!("{} visits", String::from_utf8_lossy(&counters.get("visits")?.unwrap_or_default()));
    Ok(())
}
