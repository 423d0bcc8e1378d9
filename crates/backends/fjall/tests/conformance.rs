//! The conformance suite on fjall.

use strongroom_fjall::FjallBackend;

strongroom_testkit::conformance!(fjall, |directory| Ok(Box::new(FjallBackend::new(directory)?)));
