//! The store's suite on the memory backend, and on the fake engine, which is persistent and meets every need.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

use strongroom_testkit::{PretendEngine, StoreFixture};

strongroom_testkit::store_conformance!(memory, StoreFixture::memory());
strongroom_testkit::store_conformance!(pretend, StoreFixture::of::<strongroom_core::Undo<PretendEngine>>());
