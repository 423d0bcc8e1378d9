//! The buffer of a watch: bounded in bytes. The pipeline fills it, and never waits for it.

use super::event::{ChangeKind, WatchEvent};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use strongroom_core::{Error, Result};

/// Memory of a change without its key and value, and of an event, roughly.
const CHANGE_BYTES: usize = 96;
pub(super) const EVENT_BYTES: usize = 64;

pub(crate) struct Channel {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    events: VecDeque<WatchEvent>,
    bytes: usize,
    /// No more events will come.
    has_ended: bool,
    /// The error to report at the end, if any.
    error: Option<Error>,
    waker: Option<Waker>,
}

impl Channel {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), bytes_max }
    }

    /// Adds an event of this weight, or counts it as missed if the buffer is full. Returns a waker, which the
    /// caller wakes when it holds no lock.
    #[must_use]
    pub(super) fn push(&self, weight: usize, event: impl FnOnce() -> WatchEvent) -> Option<Waker> {
        let mut state = self.lock();
        if state.bytes + weight <= self.bytes_max {
            state.bytes += weight;
            state.events.push_back(event());
        } else if let Some(WatchEvent::Lagged(missed)) = state.events.back_mut() {
            *missed += 1;
        } else {
            state.events.push_back(WatchEvent::Lagged(1));
        }
        self.changed(state)
    }

    /// Ends the channel. Buffered events can still be read. Returns a waker, as [`push`](Self::push) does.
    #[must_use]
    pub(super) fn end(&self, why: Option<Error>) -> Option<Waker> {
        let mut state = self.lock();
        if !state.has_ended {
            state.has_ended = true;
            state.error = why;
        }
        self.changed(state)
    }

    /// Waits for the next event. Returns none after `until`, or at the end.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Result<Option<WatchEvent>> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.take() {
                return item;
            }
            state = match until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// As [`wait`](Self::wait), without blocking a thread.
    #[cfg_attr(not(feature = "async"), allow(dead_code))] // only the stream polls
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<Option<WatchEvent>>> {
        // Cloning or dropping a waker may run foreign code, so neither happens under the lock.
        let waker = context.waker().clone();
        let mut state = self.lock();
        if let Some(item) = state.take() {
            return Poll::Ready(item);
        }
        let earlier = state.waker.replace(waker);
        drop(state);
        drop(earlier);
        Poll::Pending
    }

    pub(crate) fn has_ended(&self) -> bool {
        let state = self.lock();
        state.events.is_empty() && state.has_ended && state.error.is_none()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn changed(&self, mut state: MutexGuard<'_, State>) -> Option<Waker> {
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        waker
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next item, or the end. Returns none if the caller has to wait. The error is returned once.
    fn take(&mut self) -> Option<Result<Option<WatchEvent>>> {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= weight(&event);
            return Some(Ok(Some(event)));
        }
        self.has_ended.then(|| self.error.take().map_or(Ok(None), Err))
    }
}

/// Returns the weight of an event in the buffer. A count of missed events has none.
fn weight(event: &WatchEvent) -> usize {
    match event {
        WatchEvent::Commit(commit) => {
            EVENT_BYTES
                + commit
                    .changes
                    .iter()
                    .map(|change| {
                        let value = if let ChangeKind::Set(value) = &change.kind { value.len() } else { 0 };
                        weight_of_change(&change.key, value)
                    })
                    .sum::<usize>()
        }
        WatchEvent::Keyspace(event) => EVENT_BYTES + event.keyspace.len(),
        WatchEvent::Lagged(_) => 0,
    }
}

/// Returns the weight of a change whose value has this length.
pub(super) fn weight_of_change(key: &[u8], value_len: usize) -> usize {
    CHANGE_BYTES + key.len() + value_len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::watch::event::{Change, WatchedCommit};
    use strongroom_core::ErrorKind;

    fn commit(sequence: u64) -> WatchEvent {
        let kind = ChangeKind::Set("value".into());
        let change = Change { keyspace: "rows".into(), key: "key".into(), kind, expires_at_ms: None };
        WatchEvent::Commit(WatchedCommit { sequence, changes: vec![change] })
    }

    fn push(channel: &Channel, sequence: u64) {
        let commit = commit(sequence);
        assert!(channel.push(weight(&commit), || commit).is_none(), "there is no waker");
    }

    fn next(channel: &Channel) -> Option<WatchEvent> {
        channel.wait(Some(Instant::now())).unwrap()
    }

    #[test]
    fn events_that_do_not_fit_are_counted_where_they_are_missing() {
        let channel = Channel::new(weight(&commit(0)) * 2);
        (1..=5).for_each(|sequence| push(&channel, sequence));
        assert_eq!(next(&channel), Some(commit(1)));
        push(&channel, 6);
        push(&channel, 7);
        let rest: Vec<_> = std::iter::from_fn(|| next(&channel)).collect();
        assert_eq!(rest, [commit(2), WatchEvent::Lagged(3), commit(6), WatchEvent::Lagged(1),]);
        assert_eq!(channel.bytes(), 0);
    }

    #[test]
    fn the_end_comes_after_the_buffered_events_and_its_error_once() {
        let channel = Channel::new(1_000);
        push(&channel, 1);
        assert!(channel.end(Some(Error::new(ErrorKind::Closed, "first"))).is_none());
        assert!(channel.end(None).is_none());
        assert!(!channel.has_ended());
        assert_eq!(next(&channel), Some(commit(1)));
        assert_eq!(channel.wait(None).unwrap_err().message(), "first");
        assert!(channel.has_ended());
        assert_eq!(channel.wait(None).unwrap(), None);
    }
}
