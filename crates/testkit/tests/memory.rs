//! The suite on the memory backend and on the fake persistent one, also with faults and with packed keyspaces.

use strongroom_core::{Backend, MemoryBackend, MemoryEngine, Undo};
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};
use strongroom_testkit::{Fixture, PretendEngine, packed};

fn with_faults() -> Fixture {
    let faults = Faults::new();
    let switch = faults.clone();
    Fixture::new(move |directory| {
        let options = FaultyOptions::new(switch.clone());
        Ok(Box::new(Backend::<Undo<FaultyEngine<MemoryEngine>>>::open(directory, options)?))
    })
    .with_faults(faults)
}

strongroom_testkit::conformance!(memory, |_directory| Ok(Box::new(MemoryBackend::in_memory())));
strongroom_testkit::conformance!(memory_with_faults, fixture = with_faults());
strongroom_testkit::conformance!(pretend, |directory: &std::path::Path| {
    Ok(Box::new(strongroom_testkit::PretendBackend::new(directory)?))
});

// All cases again, with all keyspaces in shared tables.
strongroom_testkit::conformance!(memory_packed, |_directory| Ok(packed(MemoryBackend::in_memory())));
strongroom_testkit::conformance!(pretend_packed, |directory: &std::path::Path| {
    Ok(packed(strongroom_testkit::PretendBackend::new(directory)?))
});
strongroom_testkit::conformance!(
    pretend_packed_with_faults,
    fixture = {
        let faults = Faults::new();
        let switch = faults.clone();
        Fixture::new(move |directory| {
            let options = FaultyOptions::new(switch.clone());
            Ok(packed(Backend::<Undo<FaultyEngine<PretendEngine>>>::open(directory, options)?))
        })
        .with_faults(faults)
    }
);

#[test]
fn every_case_has_a_unique_name_and_a_property_of_the_contract() {
    let mut names: Vec<_> = strongroom_testkit::CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), strongroom_testkit::CASES.len());
    for case in strongroom_testkit::CASES {
        assert_ne!(strongroom_testkit::property_title(case.property), "no such property", "{}", case.name);
    }
}
