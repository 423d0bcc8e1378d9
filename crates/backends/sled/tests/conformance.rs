//! The conformance suite on sled, as it opens by default and without write-through.

use strongroom_sled::{SledBackend, SledOptions};

strongroom_testkit::conformance!(sled, |directory| Ok(Box::new(SledBackend::new(directory)?)));

strongroom_testkit::conformance!(sled_cached, |directory| {
    let options = SledOptions::new().write_through(false);
    Ok(Box::new(SledBackend::open(directory, options)?))
});

// Again with all keyspaces in shared tables.
strongroom_testkit::conformance!(sled_packed, |directory| Ok(strongroom_testkit::packed(SledBackend::new(
    directory
)?)));
