//! Runs one scenario with a failure at every call in turn.

use super::{Faults, How};
use std::fmt::Debug;

/// Runs `scenario` with the first call failing, then the second, and so on, until a run ends before its fault
/// strikes. Returns the number of faults.
///
/// The scenario starts from nothing each time: it creates its own backend with the given faults and returns any
/// error. It must not succeed if a call under it failed.
///
/// # Panics
/// If an error was swallowed, if the scenario fails without a fault, or if it makes more than ten thousand calls.
///
/// ```
/// use strongroom_core::{Durability, KeyspaceHints, MemoryBackend, StorageBackend, WriteBatch};
/// use strongroom_testkit::fault::{Faulty, How, for_each_fault};
///
/// let faults = for_each_fault(How::Error, |faults| {
///     let backend = Faulty::new(Box::new(MemoryBackend::in_memory()), faults.clone());
///     let names = backend.create_keyspace("names", KeyspaceHints::default())?;
///     backend.commit(WriteBatch::new().put(names, b"ada", b"1"), Durability::Buffered)
/// });
/// assert_eq!(faults, 2);
/// ```
pub fn for_each_fault<E: Debug>(how: How, mut scenario: impl FnMut(&Faults) -> Result<(), E>) -> u64 {
    const CALLS_MAX: u64 = 10_000;
    for number in 1..=CALLS_MAX {
        let faults = Faults::new();
        faults.fail_at(number, how);
        let result = scenario(&faults);
        match (faults.injected(), result) {
            (Some(_), Err(_)) => {}
            (Some(operation), Ok(())) => {
                panic!("property 5: the error of call {number}, {operation}, was swallowed")
            }
            (None, Ok(())) => return number - 1,
            (None, Err(error)) => panic!("the scenario failed without a fault: {error:?}"),
        }
    }
    panic!("the scenario makes more than {CALLS_MAX} calls: use a smaller one")
}
