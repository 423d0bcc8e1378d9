//! The suite on the memory backend, as it is and with faults beneath it.

use strongroom_core::{Backend, MemoryBackend, MemoryEngine, Undo};
use strongroom_testkit::Fixture;
use strongroom_testkit::fault::{Faults, FaultyEngine, FaultyOptions};

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

#[test]
fn every_case_has_a_name_of_its_own_and_a_property_of_the_contract() {
    let mut names: Vec<_> = strongroom_testkit::CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), strongroom_testkit::CASES.len());
    for case in strongroom_testkit::CASES {
        assert_ne!(strongroom_testkit::property_title(case.property), "no such property", "{}", case.name);
    }
}
