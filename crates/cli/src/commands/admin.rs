//! Connects to the admin socket of the process that has a store open.

use crate::exit::{Failure, Outcome};
use crate::open::Target;
use std::path::Path;
use strongroom::admin::AdminClient;

/// Connects to the socket at `socket`, or without one, in the store's directory.
pub(super) fn connect(target: &Target, socket: Option<&Path>) -> Outcome<AdminClient> {
    if let Some(socket) = socket {
        return Ok(AdminClient::connect_at(socket)?);
    }
    let Some(directory) = target.path() else {
        return Err(Failure::bad_input(format_args!(
            "{} keeps no files, so it has no directory for an admin socket; give its path with --socket",
            target.engine()
        )));
    };
    Ok(AdminClient::connect(directory)?)
}

/// Refuses a store whose engine is not the one in the URL.
pub(super) fn check_engine(target: &Target, found: &str) -> Outcome {
    let named = target.engine();
    if named == found {
        return Ok(());
    }
    Err(Failure::bad_input(format_args!(
        "the application has a store of {found} open, not of {named}; write {found}: in the URL"
    )))
}
