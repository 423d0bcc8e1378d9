//! The server on systems without Unix domain sockets: it cannot be opened.

use std::convert::Infallible;
use std::path::Path;
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::Store;

#[derive(Debug)]
pub(crate) struct Server {
    never: Infallible,
}

impl Server {
    pub(crate) fn open(_: &Store, _: &Path) -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, "an admin socket needs a Unix system")
            .hint("do not open one here; call the store within the application"))
    }

    pub(crate) fn path(&self) -> &Path {
        match self.never {}
    }
}
