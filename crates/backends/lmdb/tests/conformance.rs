//! The conformance suite on LMDB.

use strongroom_lmdb::LmdbBackend;

strongroom_testkit::conformance!(lmdb, |directory| Ok(Box::new(LmdbBackend::new(directory)?)));
