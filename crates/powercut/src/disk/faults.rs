//! I/O errors on demand.
//!
//! The disk returns an error, and the file system decides what a program sees of it. On Linux 6.18, with ext4, xfs
//! and btrfs alike, the next `fsync` of a file reports a failed write of its data with `EIO`, once. The pages then
//! count as clean, so a second `fsync` succeeds and proves nothing. A failed write of the journal or of metadata, and
//! a failed flush, end the file system: ext4 and btrfs become read-only (`EROFS`) and xfs shuts down (`EIO`) until
//! they are mounted again. On ext4 a sync of another file, in flight at that moment, may return 0 although its metadata
//! is lost ([`History::with_false_sync`](crate::judge::History::with_false_sync)). btrfs writes its metadata twice and
//! survives the loss of one copy. The loop device turns
//! every error into `EIO`, so the disk cannot return `ENOSPC`: use [`Disk::fill`](super::Disk::fill) for a full file
//! system.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A kind of I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A write fails with `EIO` and stores nothing.
    WriteError,
    /// A write fails with `EIO` and stores its first half.
    ShortWrite,
    /// A flush fails with `EIO` and makes nothing durable.
    FlushError,
}

/// Arms a disk's faults and counts its requests. May be used from any thread while the disk is in use.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    armed: Option<Armed>,
    hits: u64,
    writes: u64,
    flushes: u64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// Requests of the fault's kind that still succeed.
    passing: u64,
    lasting: bool,
}

impl Faults {
    /// Lets `at` more writes succeed (flushes, for [`Fault::FlushError`]) and makes the next one fail, and all later
    /// ones too if `lasting`. Replaces an armed fault.
    pub fn arm(&self, fault: Fault, at: u64, lasting: bool) {
        self.state().armed = Some(Armed { fault, passing: at, lasting });
    }

    /// Disarms the fault: requests succeed again.
    pub fn disarm(&self) {
        self.state().armed = None;
    }

    /// Number of requests that failed on purpose since the mount.
    pub fn hits(&self) -> u64 {
        self.state().hits
    }

    /// Number of writes since the mount, including failed ones but not discards.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Number of flushes since the mount, including failed ones.
    pub fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Counts a write; returns the fault that it must report, if any.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // unused where there is no disk
    pub(super) fn on_write(&self) -> Option<Fault> {
        let mut state = self.state();
        state.writes += 1;
        state.strike(|fault| fault != Fault::FlushError)
    }

    /// Counts a flush; returns whether it must fail.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // unused where there is no disk
    pub(super) fn on_flush(&self) -> bool {
        let mut state = self.state();
        state.flushes += 1;
        state.strike(|fault| fault == Fault::FlushError).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn strike(&mut self, concerns: impl Fn(Fault) -> bool) -> Option<Fault> {
        let armed = self.armed.as_mut().filter(|armed| concerns(armed.fault))?;
        if armed.passing > 0 {
            armed.passing -= 1;
            return None;
        }
        let fault = armed.fault;
        if !armed.lasting {
            self.armed = None;
        }
        self.hits += 1;
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_once_after_the_given_number_of_requests() {
        let faults = Faults::default();
        faults.arm(Fault::ShortWrite, 2, false);
        assert!(!faults.on_flush());
        let seen: Vec<_> = (0..5).map(|_| faults.on_write()).collect();
        assert_eq!(seen, [None, None, Some(Fault::ShortWrite), None, None]);
        assert_eq!((faults.hits(), faults.writes(), faults.flushes()), (1, 5, 1));
    }

    #[test]
    fn a_lasting_fault_strikes_until_it_is_disarmed() {
        let faults = Faults::default();
        faults.arm(Fault::FlushError, 1, true);
        assert_eq!(faults.on_write(), None);
        let seen: Vec<_> = (0..4).map(|_| faults.on_flush()).collect();
        assert_eq!(seen, [false, true, true, true]);
        faults.disarm();
        assert!(!faults.on_flush());
        assert_eq!(faults.hits(), 3);
    }
}
