//! The conformance suite on SQLite.

use strongroom_sqlite::SqliteBackend;

strongroom_testkit::conformance!(sqlite, |directory| Ok(Box::new(SqliteBackend::new(directory)?)));

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(sqlite_packed, |directory| Ok(strongroom_testkit::packed(
    SqliteBackend::new(directory)?
)));
