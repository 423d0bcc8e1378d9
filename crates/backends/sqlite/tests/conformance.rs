//! The conformance suite on SQLite.

use strongroom_sqlite::SqliteBackend;

strongroom_testkit::conformance!(sqlite, |directory| Ok(Box::new(SqliteBackend::new(directory)?)));
