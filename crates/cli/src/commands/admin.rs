//! The way to a process that has a store open: its admin socket.

use crate::exit::{Failure, Outcome};
use crate::open::Target;
use std::path::Path;
use strongroom::admin::AdminClient;

/// Connects to the socket at `socket`, or else in the store's directory.
pub(super) fn connect(target: &Target, socket: Option<&Path>) -> Outcome<AdminClient> {
    if let Some(socket) = socket {
        return Ok(AdminClient::connect_at(socket)?);
    }
    let Some(directory) = target.path() else {
        return Err(Failure::bad_input(format_args!(
            "{} keeps no files by which another process would find it; say where the admin socket is with --socket",
            target.engine()
        )));
    };
    Ok(AdminClient::connect(directory)?)
}

/// Refuses a store of another engine than the URL names.
pub(super) fn check_engine(target: &Target, found: &str) -> Outcome {
    let named = target.engine();
    if named == found {
        return Ok(());
    }
    Err(Failure::bad_input(format_args!(
        "the application has a store of {found} open, not of {named}; write {found}: in the URL"
    )))
}
