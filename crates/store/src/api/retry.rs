//! The pause between two attempts, when another commit came first.

use std::time::Duration;

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The first pause is zero: the other commit is done by then. Then the pause doubles each time, shortened at
/// random so that two callers that collided do not collide again.
pub(crate) fn pause(attempt: u32) -> Duration {
    if attempt == 1 {
        return Duration::ZERO;
    }
    let longest = Duration::from_micros(50).saturating_mul(1 << attempt.min(12)).min(PAUSE_MAX);
    longest.mul_f64(fraction())
}

/// A random number from 0 to 1, for timing only.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
