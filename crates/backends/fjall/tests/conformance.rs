//! The conformance suite on fjall.

use strongroom_fjall::FjallBackend;

strongroom_testkit::conformance!(fjall, |directory| Ok(Box::new(FjallBackend::new(directory)?)));

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(fjall_packed, |directory| Ok(strongroom_testkit::packed(
    FjallBackend::new(directory)?
)));
