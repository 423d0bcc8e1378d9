//! The commit queue: it chooses the leader, and holds the requests that wait for it.

use crate::request::{Committed, Request};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::collections::VecDeque;
use strongroom_core::{Error, ErrorKind, Result};

/// Maximum members and bytes of one group, which is one batch of the engine.
const GROUP_MEMBERS_MAX: usize = 1_024;
const GROUP_BYTES_MAX: usize = 16 * 1_024 * 1_024;

pub(super) struct Queue {
    state: Mutex<State>,
    /// Signalled when bytes leave the queue.
    room: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    /// There is a leader. Set before the lead exists, and cleared when the lead finds the queue empty.
    led: bool,
    waiting: VecDeque<Arc<Member>>,
    waiting_bytes: usize,
    /// Callers that wait for room. Notifying takes a system call, even if there is none.
    blocked: usize,
}

/// A caller in the queue.
pub(super) struct Member {
    request: Request,
    place: Mutex<Place>,
    changed: Condvar,
}

enum Place {
    Waiting,
    /// The lead was handed to this member.
    Leads,
    Done(Result<Committed>),
}

/// What a caller does next.
pub(super) enum Turn<'q> {
    /// Commit its own request: no other commit is running or waiting.
    Alone(Lead<'q>),
    /// Commit these requests, the first of which is its own.
    Lead(Lead<'q>, Vec<Arc<Member>>),
    /// Nothing: another leader has committed its request.
    Led(Result<Committed>),
}

/// The right to commit. Dropping it hands it over, even during a panic, so that no caller waits forever
/// (invariant 7).
pub(super) struct Lead<'q> {
    queue: &'q Queue,
    /// Get an error if the lead ends without their results.
    members: Vec<Arc<Member>>,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), room: Condvar::new(), bytes_max }
    }

    /// Returns the size of the waiting requests, in bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.lock().waiting_bytes
    }

    pub(super) fn enter(&self, request: &Request) -> Turn<'_> {
        let mut state = self.lock();
        if let Some(lead) = self.try_lead(&mut state) {
            return Turn::Alone(lead);
        }
        // Copied without the lock, so that a large request delays neither the leader nor other callers.
        drop(state);
        let member = Arc::new(Member {
            request: request.clone(),
            place: Mutex::new(Place::Waiting),
            changed: Condvar::new(),
        });
        let mut state = self.lock();
        // A request that is larger than the whole queue waits until the queue is empty.
        while state.waiting_bytes > 0 && state.waiting_bytes + member.weight() > self.bytes_max {
            state.blocked += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.blocked -= 1;
        }
        if let Some(lead) = self.try_lead(&mut state) {
            return Turn::Alone(lead);
        }
        state.waiting_bytes += member.weight();
        state.waiting.push_back(Arc::clone(&member));
        drop(state);
        match member.wait() {
            Some(result) => Turn::Led(result),
            None => self.lead_from(member),
        }
    }

    /// Takes the lead, if there is no leader.
    fn try_lead(&self, state: &mut State) -> Option<Lead<'_>> {
        if state.led {
            return None;
        }
        state.led = true;
        Some(Lead { queue: self, members: Vec::new() })
    }

    /// Leads from `member`, which has left the queue, with all that wait, up to the bounds of a group.
    fn lead_from(&self, member: Arc<Member>) -> Turn<'_> {
        let mut members = vec![member];
        let mut bytes = members[0].weight();
        let mut state = self.lock();
        while let Some(next) = state.waiting.front() {
            bytes += next.weight();
            if members.len() >= GROUP_MEMBERS_MAX || bytes > GROUP_BYTES_MAX {
                break;
            }
            let Some(next) = state.take_first() else { break };
            members.push(next);
        }
        self.notify_blocked(state);
        let lead = Lead { queue: self, members: members[1..].to_vec() };
        Turn::Lead(lead, members)
    }

    /// Wakes the callers that wait for room.
    fn notify_blocked(&self, state: MutexGuard<'_, State>) {
        let is_blocked = state.blocked > 0;
        drop(state);
        if is_blocked {
            self.room.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_first(&mut self) -> Option<Arc<Member>> {
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.weight();
        Some(first)
    }
}

impl Member {
    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn finish(&self, result: Result<Committed>) {
        self.set(Place::Done(result));
    }

    /// Its weight in the queue: at least one, so that empty requests are bounded too.
    fn weight(&self) -> usize {
        self.request.weight().max(1)
    }

    /// Waits for a result. Returns none if this member has to lead.
    fn wait(&self) -> Option<Result<Committed>> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match std::mem::replace(&mut *place, Place::Waiting) {
                Place::Waiting => place = self.changed.wait(place).unwrap_or_else(PoisonError::into_inner),
                Place::Leads => return None,
                Place::Done(result) => return Some(result),
            }
        }
    }

    fn set(&self, to: Place) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        *place = to;
        self.changed.notify_one();
    }
}

impl Lead<'_> {
    /// Hands over the lead. Every member has its result.
    pub(super) fn hand_over(mut self) {
        self.members.clear();
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        for member in self.members.drain(..) {
            member.finish(Err(Error::new(
                ErrorKind::CommitUnknown,
                "the thread that committed the group panicked",
            )));
        }
        let mut state = self.queue.lock();
        let next = state.take_first();
        state.led = next.is_some();
        self.queue.notify_blocked(state);
        if let Some(next) = next {
            next.set(Place::Leads);
        }
    }
}

#[cfg(all(test, not(shuttle)))]
#[allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use strongroom_core::Durability;

    fn panic_with(lead: Lead<'_>) {
        let panics = move || {
            let _lead = lead;
            panic!("a test")
        };
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    }

    /// Invariant 7, with callers in the queue.
    #[test]
    fn a_leader_that_panics_hands_over_and_its_members_get_an_error() {
        let queue = Queue::new(1 << 20);
        let request = Request::new(Durability::Buffered);
        let Turn::Alone(lead) = queue.enter(&request) else { panic!("nobody leads") };
        let enter = || match queue.enter(&request) {
            Turn::Lead(lead, members) => {
                panic_with(lead);
                Ok(members.len())
            }
            Turn::Led(result) => Err(result.unwrap_err().kind()),
            Turn::Alone(_) => panic!("another caller leads"),
        };
        let mut results = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..3).map(|_| scope.spawn(enter)).collect();
            while queue.waiting_bytes() < 3 {
                std::thread::yield_now();
            }
            panic_with(lead);
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        results.sort_by_key(Result::is_err);
        let unknown = Err(ErrorKind::CommitUnknown);
        assert_eq!(results, [Ok(3), unknown, unknown], "one of them led all three");
        assert_eq!(queue.waiting_bytes(), 0);
        assert!(matches!(queue.enter(&request), Turn::Alone(_)), "the lead is free");
    }
}
