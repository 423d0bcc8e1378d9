//! The handle, and how it is opened.

use super::health::Health;
use super::open::{self, Prepared, adjusted};
use super::shared::Shared;
use super::view::{self, SharedView};
use crate::engine::{Engine, OpenContext};
use crate::files::Directory;
use crate::options::{Create, Options};
use crate::stats::Gauge;
use crate::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;

/// An engine as a [`StorageBackend`](crate::StorageBackend). `RedbBackend`, `SledBackend` and the others are
/// aliases of it.
///
/// The engine is closed when the backend and all its snapshots, cursors and shared values are dropped.
pub struct Backend<E: Engine> {
    pub(super) shared: Arc<Shared<E>>,
    pub(super) options: Option<E::Options>,
}

impl<E: Engine> Backend<E> {
    /// Opens the engine in `directory` with its default options, and creates it if it is missing.
    ///
    /// A directory that is marked as a store opens read-only; see [`Marked`](crate::options::Marked).
    pub fn new(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open(directory, E::Options::default())
    }

    /// Opens the engine in `directory`. The errors that a caller can act on:
    ///
    /// - [`NotFound`](ErrorKind::NotFound): it is missing and may not be created.
    /// - [`InvalidInput`](ErrorKind::InvalidInput): the path is a file or contains something else.
    /// - [`Locked`](ErrorKind::Locked): another handle has it open.
    /// - [`Corruption`](ErrorKind::Corruption): its files are damaged, or a checkpoint into it was not
    ///   finished.
    pub fn open(directory: impl AsRef<Path>, options: E::Options) -> Result<Self> {
        let Prepared { home, read_only } = open::prepare::<E>(directory.as_ref(), &options)
            .map_err(|error| error.at(E::INFO.name, "open"))?;
        Self::start(&home, options, read_only)
    }

    /// Opens the engine in a directory that is known to be its own.
    pub(super) fn start(home: &Directory, options: E::Options, read_only: bool) -> Result<Self> {
        let name = E::INFO.name;
        // The engine has to know too: what it finds on disk could otherwise make it create files.
        let options = if read_only { adjusted(options, only_read) } else { options };
        let pins = Gauge::default();
        let health = Health::new(name);
        let view = Arc::new(SharedView::new());
        let release = view::release_of(&view);
        let context = OpenContext {
            directory: home.path(),
            home,
            options: &options,
            pins: pins.clone(),
            view: release,
        };
        let engine = health.call("open", || E::open(context)).map_err(|error| match error.kind() {
            // A panic of an engine during its open is reported as damaged files.
            ErrorKind::Closed => {
                error.into_kind(ErrorKind::Corruption, "the engine cannot read its files").at(name, "open")
            }
            ErrorKind::Locked if home.is_entered() && !error.message().contains("this process") => {
                open_in_this_process(home, error).at(name, "open")
            }
            _ => error,
        })?;
        let shared = Shared::over(engine, health, pins, view, read_only, Some(home.enter()));
        shared.open_keyspaces()?;
        Ok(Self { shared: Arc::new(shared), options: Some(options) })
    }

    /// Wraps an engine that has no files and no keyspaces yet.
    pub(crate) fn over_new_engine(engine: E, read_only: bool) -> Self {
        let view = Arc::new(SharedView::new());
        let shared = Shared::over(engine, Health::new(E::INFO.name), Gauge::default(), view, read_only, None);
        Self { shared: Arc::new(shared), options: None }
    }
}

/// The error for files that another handle of this process has open.
#[cold]
fn open_in_this_process(home: &Directory, error: Error) -> Error {
    let shown = home.path().display();
    error
        .into_kind(ErrorKind::Locked, format!("this process has {shown} open already"))
        .hint("drop the other handle first; its snapshots, cursors and values also keep it open")
}

fn only_read(common: &mut Options) {
    common.create = Create::Never;
    common.read_only = true;
}
