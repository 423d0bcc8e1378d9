//! I/O errors on demand.
//!
//! The disk answers with an error; what the program above sees of it is the file system's doing. On Linux 6.18, with
//! ext4, xfs and btrfs alike, a failed write of a file's data is answered by that file's next `fsync` with `EIO`,
//! once; the pages are then counted as clean, so that a second `fsync` succeeds and proves nothing. A failed write of
//! the journal or the metadata, and a failed flush, end the file system: from then on ext4 and btrfs are read-only
//! (`EROFS`) and xfs is shut down (`EIO`), until they are mounted anew. btrfs writes its metadata twice and lives with
//! the loss of one copy. The loop device turns every error into `EIO`, so that there is no `ENOSPC` of the disk's own:
//! a full file system is [`Disk::fill`](super::Disk::fill).

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A write is answered with `EIO`, and nothing of it is on the disk.
    WriteError,
    /// A write is answered with `EIO`, and its first half is on the disk.
    ShortWrite,
    /// A flush is answered with `EIO`, and covers nothing.
    FlushError,
}

/// The switch for a disk's faults, and what it has counted. Used from any thread while the disk is in use.
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
    /// Requests of the fault's sort that still pass.
    passing: u64,
    lasting: bool,
}

impl Faults {
    /// Lets `at` more writes pass (flushes, for [`Fault::FlushError`]) and makes the next fail: that one alone, or
    /// it and all later ones if `lasting`. Replaces what was armed before.
    pub fn arm(&self, fault: Fault, at: u64, lasting: bool) {
        self.state().armed = Some(Armed { fault, passing: at, lasting });
    }

    /// The disk is sound again.
    pub fn disarm(&self) {
        self.state().armed = None;
    }

    /// How many requests were made to fail since the mount.
    pub fn hits(&self) -> u64 {
        self.state().hits
    }

    /// How many writes have arrived since the mount, failed ones included and discards not.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// How many flushes have arrived since the mount, failed ones included.
    pub fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Counts a write, and says how it fails if it is to fail.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // there is no disk to call it
    pub(super) fn on_write(&self) -> Option<Fault> {
        let mut state = self.state();
        state.writes += 1;
        state.strike(|fault| fault != Fault::FlushError)
    }

    /// Counts a flush, and says whether it is to fail.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // there is no disk to call it
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
    fn once_after_so_many() {
        let faults = Faults::default();
        faults.arm(Fault::ShortWrite, 2, false);
        assert!(!faults.on_flush());
        let seen: Vec<_> = (0..5).map(|_| faults.on_write()).collect();
        assert_eq!(seen, [None, None, Some(Fault::ShortWrite), None, None]);
        assert_eq!((faults.hits(), faults.writes(), faults.flushes()), (1, 5, 1));
    }

    #[test]
    fn for_ever_until_disarmed() {
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
