//! The conformance suite on redb.

use strongroom_redb::RedbBackend;

strongroom_testkit::conformance!(redb, |directory| Ok(Box::new(RedbBackend::new(directory)?)));

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(redb_packed, |directory| Ok(strongroom_testkit::packed(RedbBackend::new(
    directory
)?)));
