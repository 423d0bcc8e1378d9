//! The conformance suite on redb.

use strongroom_redb::RedbBackend;

strongroom_testkit::conformance!(redb, |directory| Ok(Box::new(RedbBackend::new(directory)?)));
