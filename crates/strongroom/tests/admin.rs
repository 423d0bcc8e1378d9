//! The admin socket of a store on each engine of this build. The tests of `strongroom-admin` are about the socket itself.

#![cfg(all(unix, feature = "admin"))]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use strongroom::admin::AdminClient;
use strongroom::{ADMIN_SOCKET_FILE, AdminSocket, ErrorKind};
use support::{on_disk, open};

#[test]
fn the_socket_of_a_dead_process_is_replaced() {
    for engine in on_disk() {
        let home = tempfile::tempdir().unwrap();
        drop(open(engine, home.path()));
        // The file stays.
        drop(UnixListener::bind(home.path().join(ADMIN_SOCKET_FILE)).unwrap());
        assert_eq!(AdminClient::connect(home.path()).unwrap_err().kind(), ErrorKind::NotFound);
        let store = open(engine, home.path());
        let socket = AdminSocket::open(&store).unwrap();
        assert_eq!(AdminClient::connect(home.path()).unwrap().stats().unwrap().engine, engine);
        assert_eq!(fs::metadata(socket.path()).unwrap().permissions().mode() & 0o7777, 0o600);
    }
}
