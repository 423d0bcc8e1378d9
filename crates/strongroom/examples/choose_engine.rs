//! One program for any engine: the URL on the command line selects it.
//!
//! ```text
//! cargo run --example choose_engine --features storage-sled -- sled:./data
//! ```

use strongroom::{Result, Scan};

fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let default_url = format!("redb:{}", temporary.path().join("store").display());
    let url = std::env::args().nth(1).unwrap_or(default_url);

    let store = strongroom::open(&url)?;
    let events = store.create_keyspace("events")?;
    let mut batch = store.batch();
    for number in 0..5_u64 {
        // Big-endian numbers sort in numeric order.
        batch.set(&events, number.to_be_bytes(), format!("event {number}"));
    }
    store.commit(&batch)?;

    println!("on {} {}", store.engine().name, store.engine().version);
    let mut newest_first = events.scan(Scan::all().reverse())?;
    while newest_first.advance()? {
        println!("{}", String::from_utf8_lossy(newest_first.value()));
    }
    println!("digest {}", store.digest()?);
    Ok(())
}
