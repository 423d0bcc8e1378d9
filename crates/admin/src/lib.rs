//! A look at a store that a process has open, from another process.
//!
//! One process writes a store, and on most engines it is the only one that can open it. An application that opens an
//! [`AdminSocket`] beside its store lets others on the same machine ask about it: figures ([`AdminStats`]), and what is
//! committed, as it happens. `strongroom stats` and `strongroom watch` ask there; so does an [`AdminClient`].
//!
//! Applications use it as `strongroom::admin`, with the feature `admin` of the crate `strongroom`.
//!
//! # Protocol
//!
//! A Unix domain socket, mode 0600; JSON, an object a line; one request a connection. A request is at most 64 KiB and
//! comes within 10 seconds. Fields may be added to answers; a request with a field that is not known is refused.
//!
//! ```text
//! {"v":1,"command":"stats"}
//! {"v":1,"command":"watch","keyspace":"default","prefix_hex":"636974792f"}
//! ```
//!
//! Without `keyspace` it is the default one, without `prefix_hex` all keys. The first line of an answer says whether
//! it is one:
//!
//! ```text
//! {"ok":true,"stats":{"engine":"redb","conflicts":0,...}}
//! {"ok":true,"watch":{"engine":"redb"}}
//! {"ok":false,"error":{"kind":"not found","message":"...","hint":"..."}}
//! ```
//!
//! `kind` is [`ErrorKind::as_str`](ErrorKind::as_str). After its first line, a watch has a line for each commit
//! that changes what is watched, from the first commit on that begins after that line:
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
//! `kind` is `set`, `delete` or `expire`. Bytes that are UTF-8 are in `key` and `value`, others in hexadecimal in
//! `key_hex` and `value_hex`. `lagged` says how many commits were left out in that place, because the client did not
//! read. A heartbeat comes when there was nothing else for five seconds. The line `end` is the last one; a connection
//! that closes without it was lost, or its client reads too slowly to be told.
//!
//! # Bounds
//!
//! At most 16 connections at a time, of which 12 may watch; who comes then is told `unavailable`. Each connection has a
//! thread, and each watch its buffer of [`WATCH_BUFFER_BYTES_MAX`](strongroom_store::WATCH_BUFFER_BYTES_MAX). No commit waits for
//! a client, whatever that does or leaves undone.

#[cfg(not(unix))]
mod absent;
mod client;
#[cfg(unix)]
mod connection;
#[cfg_attr(not(unix), allow(dead_code))] // without a server, nobody writes answers
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

/// Lets other processes of the same user ask about a store that this one has open.
///
/// It does not keep the store open: when the last handle of the store is dropped, all watches are told so, and the
/// socket closes by itself within about a second. Only while a request for figures is answered, which takes
/// milliseconds, the store is held; so drop the socket before the store where another opening follows at once.
///
/// Dropping it removes the file and ends its threads, within a fraction of a second, whatever its clients do.
///
/// Unix only: elsewhere, opening one is [`Unsupported`](ErrorKind::Unsupported).
#[derive(Debug)]
pub struct AdminSocket {
    server: Server,
}

impl AdminSocket {
    /// Opens it in the store's directory, as [`ADMIN_SOCKET_FILE`]. Only the user this process runs as (and root) can
    /// connect, from the first moment on. What a process has left that was killed is replaced.
    ///
    /// [`Locked`](ErrorKind::Locked): the store has one that is open.
    /// [`InvalidInput`](ErrorKind::InvalidInput): the store is in no directory; its path is longer than a socket's may
    /// be, some 100 bytes; or what is there is no socket.
    /// [`Unsupported`](ErrorKind::Unsupported): the store is opened to be read, so that its directory belongs to
    /// another; or the system has no such sockets.
    pub fn open(store: &Store) -> Result<Self> {
        let located = |error: Error| error.at(store.engine().name, "open admin socket");
        let Some(directory) = store.path() else {
            return Err(located(
                Error::new(
                    ErrorKind::InvalidInput,
                    "the store is in no directory that could hold its admin socket",
                )
                .hint("say where it is to be with AdminSocket::open_at"),
            ));
        };
        // Whoever may watch writes, holds the lock on the directory, and is the only one to put a socket there.
        store.watch_all(0).map_err(|_| {
            located(
                Error::new(ErrorKind::Unsupported, "a store that is opened to be read has no admin socket")
                    .hint("open it where the store is written, or elsewhere with AdminSocket::open_at"),
            )
        })?;
        Self::open_at(store, directory.join(ADMIN_SOCKET_FILE))
    }

    /// As [`open`](Self::open), at a path of the caller's, in a directory that is there. The file belongs to this
    /// socket: no two processes may open one at the same path at the same time.
    pub fn open_at(store: &Store, path: impl AsRef<Path>) -> Result<Self> {
        let server = Server::open(store, path.as_ref());
        Ok(Self { server: server.map_err(|error| error.at(store.engine().name, "open admin socket"))? })
    }

    /// Where it is: an absolute path.
    pub fn path(&self) -> &Path {
        self.server.path()
    }
}
