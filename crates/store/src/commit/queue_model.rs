//! A model check of the commit queue alone: see [`model`](crate::model).

use super::queue::{Queue, Turn};
use crate::model::check;
use crate::request::{Answer, Committed, Request};
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use crate::sync::{Arc, thread};
use strongroom_core::{Durability, ErrorKind};

const CALLERS: u64 = 3;
const ROUNDS: u64 = 2;

/// The queue has room for one request, so callers wait for room too. The first caller fails whenever it leads, as if it
/// had panicked.
#[test]
fn every_caller_of_a_full_queue_gets_a_result_although_a_leader_fails() {
    check(|| {
        let queue = Arc::new(Queue::new(1));
        let (is_led, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let led = Arc::new(AtomicI64::new(0));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (queue, led) = (Arc::clone(&queue), Arc::clone(&led));
                let (is_led, committed) = (Arc::clone(&is_led), Arc::clone(&committed));
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        enter(&queue, caller == 0, &is_led, &committed, &led);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!(queue.waiting_bytes(), 0);
        assert!(matches!(queue.enter(&request()), Turn::Alone(_)), "the lead is free");
        assert!(committed.load(Ordering::SeqCst) <= CALLERS * ROUNDS);
        assert_eq!(led.load(Ordering::SeqCst), 0, "each result that a leader gave reached its caller");
    });
}

fn request() -> Request {
    Request::new(Durability::Buffered)
}

/// Enters once. Each request that a leader finishes counts as committed.
fn enter(queue: &Queue, fails: bool, is_led: &AtomicBool, committed: &AtomicU64, led: &AtomicI64) {
    let begin = || assert!(!is_led.swap(true, Ordering::SeqCst), "one leader at a time");
    let end = || is_led.store(false, Ordering::SeqCst);
    match queue.enter(&request()) {
        Turn::Alone(lead) => {
            begin();
            end();
            if fails {
                drop(lead);
                return;
            }
            committed.fetch_add(1, Ordering::SeqCst);
            lead.hand_over();
        }
        Turn::Lead(lead, members) => {
            begin();
            if fails {
                end();
                drop(lead);
                return;
            }
            for member in &members[1..] {
                // Its caller counts it again when it has the result.
                let sequence = committed.fetch_add(1, Ordering::SeqCst);
                led.fetch_sub(1, Ordering::SeqCst);
                member.finish(Ok(Committed { sequence, answer: Answer::None }));
            }
            committed.fetch_add(1, Ordering::SeqCst);
            end();
            lead.hand_over();
        }
        Turn::Led(Ok(_)) => {
            led.fetch_add(1, Ordering::SeqCst);
        }
        Turn::Led(Err(error)) => assert_eq!(error.kind(), ErrorKind::CommitUnknown, "a leader failed"),
    }
}
