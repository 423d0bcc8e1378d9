//! Opens an admin socket, so that other processes can inspect the open store: `strongroom stats` and `strongroom watch`
//! connect to it.
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

    // Another process would do this.
    let mut watch = AdminClient::connect(&path)?.watch("default", "city/")?;
    store.default_keyspace()?.set("city/zug", "30618")?;
    if let Some(AdminEvent::Commit { changes, .. }) = watch.next_timeout(Duration::from_secs(10))? {
        println!("{} was changed", String::from_utf8_lossy(&changes[0].key));
    }
    println!("{} commits", AdminClient::connect(&path)?.stats()?.figures.backend.commits);

    // Closes the socket. Dropping the store would close it too, slightly later.
    drop(socket);
    Ok(())
}
