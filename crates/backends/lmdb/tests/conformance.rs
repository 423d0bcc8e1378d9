//! The conformance suite on LMDB.

use strongroom_lmdb::LmdbBackend;

strongroom_testkit::conformance!(lmdb, |directory| Ok(Box::new(LmdbBackend::new(directory)?)));

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(lmdb_packed, |directory| Ok(strongroom_testkit::packed(LmdbBackend::new(
    directory
)?)));
