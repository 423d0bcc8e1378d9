//! Opens an admin socket: `strongroom stats` and `strongroom watch` read from it while this process has the store open.
//!
//! ```text
//! cargo run --example admin_socket --features admin
//! ```

use std::time::Duration;
use strongroom::admin::{AdminClient, AdminEvent, AdminSocket};
use strongroom::{ErrorKind, Result};

fn main() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let path = temporary.path().join("data");
    let store = strongroom::open(&format!("redb:{}", path.display()))?;
    let socket = match AdminSocket::open(&store) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            println!("{}", error.one_line());
            return Ok(());
        }
        opened => opened?,
    };

    // What another process would do.
    let mut watch = AdminClient::connect(&path)?.watch("default", "city/")?;
    store.default_keyspace()?.set("city/zug", "30618")?;
    if let Some(AdminEvent::Commit { changes, .. }) = watch.next_timeout(Duration::from_secs(10))? {
        println!("{} was changed", String::from_utf8_lossy(&changes[0].key));
    }
    println!("{} commits", AdminClient::connect(&path)?.stats()?.figures.backend.commits);

    // Closes the socket; dropping the store first would do so too, a little later.
    drop(socket);
    Ok(())
}
