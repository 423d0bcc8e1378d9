//! The admin socket: other processes read the figures and watch the commits of a store that an application has open.
//!
//! One process writes a store, and on most engines no other process can open it. An application that opens an
//! [`AdminSocket`] lets other processes of its user ask for figures ([`AdminStats`]) and follow commits as they
//! happen. `strongroom stats` and `strongroom watch` do so; a program uses an [`AdminClient`].
//!
//! Applications use this crate as `strongroom::admin`, with the feature `admin` of the crate `strongroom`.
//!
//! # Protocol
//!
//! A Unix domain socket of mode 0600; JSON, one object a line; one request a connection. A request has at most 64 KiB
//! and arrives within 10 seconds. Later versions may add fields to answers. A request with an unknown field is
//! refused.
//!
//! ```text
//! {"v":1,"command":"stats"}
//! {"v":1,"command":"watch","keyspace":"default","prefix_hex":"636974792f"}
//! ```
//!
//! Without `keyspace`, a watch is on the default keyspace; without `prefix_hex`, on all keys. The first line of an
//! answer says whether the request succeeded:
//!
//! ```text
//! {"ok":true,"stats":{"engine":"redb","conflicts":0,...}}
//! {"ok":true,"watch":{"engine":"redb"}}
//! {"ok":false,"error":{"kind":"not found","message":"...","hint":"..."}}
//! ```
//!
//! The error's `kind` is [`ErrorKind::as_str`]. `stats` has the fields of [`AdminStats`]. After its first line, a
//! watch has a line for each commit that changes a watched key, from the first commit that begins after that line:
//!
//! ```text
//! {"sequence":7,"changes":[{"keyspace":"default","key":"city/1","kind":"set","value":"Zug"},
//!                          {"keyspace":"default","key_hex":"00ff","kind":"delete"}]}       (on one line)
//! {"lagged":3}
//! {"heartbeat":true}
//! {"end":{"reason":"store closed"}}
//! {"end":{"reason":"socket closed"}}
//! {"end":{"reason":"failed","error":{"kind":"not found","message":"...","hint":"..."}}}
//! ```
//!
//! The change's `kind` is `set`, `delete` or `expire`. Keys and values that are UTF-8 are in `key` and `value`,
//! others in hexadecimal in `key_hex` and `value_hex`. `lagged` says how many commits are missing in that place
//! because the client did not read in time. After five seconds without another line comes a heartbeat. The line `end`
//! is the last one. A connection that closes without it was lost, or the client read too slowly to receive it.
//!
//! # Bounds
//!
//! At most 16 connections at a time, of which 12 may watch; the next one is answered `unavailable`. Each connection
//! has a thread, and each watch a buffer of [`WATCH_BUFFER_BYTES_MAX`](strongroom_store::WATCH_BUFFER_BYTES_MAX). No
//! commit ever waits for a client.

#[cfg(not(unix))]
mod absent;
mod client;
#[cfg(unix)]
mod connection;
#[cfg_attr(not(unix), allow(dead_code))] // Without a server, answers are only read.
mod protocol;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod socket_file;
mod stats;
#[cfg(unix)]
mod stream;

pub use client::{AdminClient, AdminEvent, AdminWatch};
pub use protocol::{AdminChange, AdminChangeKind, AdminEnd};
pub use stats::AdminStats;
pub use strongroom_store::ADMIN_SOCKET_FILE;

#[cfg(not(unix))]
use absent::Server;
#[cfg(unix)]
use server::Server;
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::Store;

/// Lets other processes of the same user ask about a store that this process has open.
///
/// The socket does not keep the store open. When the last handle of the store is dropped, all watches end with
/// [`AdminEnd::StoreClosed`], and the socket closes by itself within about a second. Only a request for figures holds
/// the store, for milliseconds. So drop the socket before the store if you reopen the store at once.
///
/// Dropping the socket removes its file and ends its threads within a fraction of a second, whatever the clients do.
///
/// Unix only: elsewhere, opening one is [`Unsupported`](ErrorKind::Unsupported).
#[derive(Debug)]
pub struct AdminSocket {
    server: Server,
}

impl AdminSocket {
    /// Opens a socket in the store's directory, as [`ADMIN_SOCKET_FILE`]. Only the user of this process (and root)
    /// can connect, from the creation of the file on. The file of a process that was killed is replaced.
    ///
    /// [`Locked`](ErrorKind::Locked): the store has an open socket already.
    /// [`InvalidInput`](ErrorKind::InvalidInput): the store has no directory; the path is longer than a socket's may
    /// be, about 100 bytes; or a file of that name is not a socket.
    /// [`Unsupported`](ErrorKind::Unsupported): the store is read-only, so its directory belongs to another process;
    /// or the system has no Unix domain sockets.
    pub fn open(store: &Store) -> Result<Self> {
        let located = |error: Error| error.at(store.engine().name, "open admin socket");
        let Some(directory) = store.path() else {
            return Err(located(
                Error::new(ErrorKind::InvalidInput, "the store has no directory for its admin socket")
                    .hint("give a path with AdminSocket::open_at"),
            ));
        };
        // Only a store that is open for writing can be watched. It holds the lock on the directory, so no other
        // process creates a socket there.
        store.watch_all(0).map_err(|_| {
            located(
                Error::new(ErrorKind::Unsupported, "a read-only store has no admin socket in its directory")
                    .hint("open it in the process that writes, or elsewhere with AdminSocket::open_at"),
            )
        })?;
        Self::open_at(store, directory.join(ADMIN_SOCKET_FILE))
    }

    /// Opens a socket as [`open`](Self::open) does, at `path`, whose directory must exist. Two processes must not
    /// open sockets at the same path at the same time.
    pub fn open_at(store: &Store, path: impl AsRef<Path>) -> Result<Self> {
        let server = Server::open(store, path.as_ref());
        Ok(Self { server: server.map_err(|error| error.at(store.engine().name, "open admin socket"))? })
    }

    /// Returns the absolute path of the socket.
    pub fn path(&self) -> &Path {
        self.server.path()
    }
}
