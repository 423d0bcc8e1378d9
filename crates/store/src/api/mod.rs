//! The public interface: what applications hold and call.

#[cfg(feature = "async")]
pub(crate) mod async_store;
pub(crate) mod batch;
pub(crate) mod compare_and_swap;
mod counter;
pub(crate) mod digest;
pub(crate) mod id_generator;
pub(crate) mod keyspace;
mod keyspaces;
mod opening;
mod retry;
pub(crate) mod rows;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod transaction;
pub(crate) mod verify;
pub(crate) mod watch;
#[cfg(feature = "async")]
mod watch_stream;
pub(crate) mod weak;
