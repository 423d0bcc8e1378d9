//! The capability table of the backends in this crate, as a golden file.

use strongroom_core::MemoryBackend;
use strongroom_testkit::{PretendBackend, assert_golden, capability_table};

#[test]
fn the_capability_table_is_golden() {
    let directory = tempfile::tempdir().unwrap();
    let pretend = PretendBackend::new(&directory).unwrap();
    let table = capability_table(&[&MemoryBackend::in_memory(), &pretend]);
    assert_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/capabilities.md"), &table);
}
