//! The conformance suite on sled, as it opens by default and with what it does not claim by default.

use strongroom_sled::{SledBackend, SledOptions};

strongroom_testkit::conformance!(sled, |directory| Ok(Box::new(SledBackend::new(directory)?)));

strongroom_testkit::conformance!(sled_power_safe, |directory| {
    let options = SledOptions::new().unproven_power_safe();
    Ok(Box::new(SledBackend::open(directory, options)?))
});

// Once more with all keyspaces in shared tables.
strongroom_testkit::conformance!(sled_packed, |directory| Ok(strongroom_testkit::packed(SledBackend::new(
    directory
)?)));
