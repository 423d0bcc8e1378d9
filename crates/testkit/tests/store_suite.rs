//! The suite of the store on the memory backend, and on the pretend engine, which is persistent and declares all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

use strongroom_testkit::{PretendEngine, StoreFixture};

strongroom_testkit::store_conformance!(memory, StoreFixture::memory());
strongroom_testkit::store_conformance!(pretend, StoreFixture::of::<strongroom_core::Undo<PretendEngine>>());
