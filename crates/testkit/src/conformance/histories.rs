//! Long histories, compared with the model or with a known digest.

use crate::history::{HISTORY_DIGEST, HISTORY_SEED, HISTORY_STEPS, digest_of, run_history};
use crate::support::ok;
use crate::{Fixture, model};

pub(super) fn random_histories_agree_with_a_model(fixture: &Fixture) {
    for seed in model::seeds() {
        model::check_without_reopening(seed, 300, fixture);
    }
}

pub(super) fn random_histories_survive_reopening(fixture: &Fixture) {
    for seed in model::seeds() {
        model::check(seed ^ 0x5eed, 150, fixture);
    }
}

pub(super) fn the_pinned_history_ends_in_the_pinned_digest(fixture: &Fixture) {
    let backend = fixture.open();
    ok(run_history(HISTORY_SEED, HISTORY_STEPS, &*backend), "running the pinned history");
    let demand = "property 4: the same history ends in the same state on every engine";
    assert_eq!(ok(digest_of(&*backend), "taking a digest"), HISTORY_DIGEST, "{demand}");
    if fixture.capabilities().persistent {
        ok(backend.flush(), "a flush");
        drop(backend);
        let digest = digest_of(&*fixture.open());
        assert_eq!(ok(digest, "taking a digest"), HISTORY_DIGEST, "property 8: and after a reopen");
    }
}
