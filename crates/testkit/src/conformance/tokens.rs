//! Tokens: the outcome of a commit can be queried, and no batch is committed twice.

use crate::Fixture;
use crate::support::{all_rows, commit, keyspace, ok, put, refused, row};
use strongroom_core::{
    CommitToken, Durability, ErrorKind, Expect, KeyspaceId, StorageBackend, WriteBatch, is_reserved_keyspace,
};

fn named(keyspace: KeyspaceId, key: &[u8], token: CommitToken) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(keyspace, key, b"1").set_token(token);
    batch
}

#[track_caller]
fn is_committed(backend: &dyn StorageBackend, token: CommitToken) -> bool {
    ok(backend.committed(token), "looking up a token")
}

pub(super) fn a_token_commits_once(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let (first, second) = (CommitToken([1; 16]), CommitToken([0xff; 16]));
    assert!(!is_committed(&*backend, first), "property 6: a token that was never used is not committed");
    commit(&*backend, &named(letters, b"a", first));
    assert!(is_committed(&*backend, first), "property 6: a committed batch can be looked up by its token");
    assert!(!is_committed(&*backend, second), "property 6: tokens are independent");
    put(&*backend, letters, b"a", b"changed since");
    let demand = "property 6: a batch with the token of a committed one is AlreadyExists and writes nothing";
    let again = backend.commit(&named(letters, b"a", first), Durability::Buffered);
    refused(again, ErrorKind::AlreadyExists, demand);
    let other = backend.commit(&named(letters, b"b", first), Durability::Buffered);
    refused(other, ErrorKind::AlreadyExists, demand);
    commit(&*backend, &named(letters, b"c", second));
    assert_eq!(all_rows(&*backend, letters), [row(b"a", b"changed since"), row(b"c", b"1")], "{demand}");
    assert!(is_committed(&*backend, second), "property 6: tokens are independent");
}

pub(super) fn a_conflict_does_not_use_a_token_up(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let token = CommitToken([7; 16]);
    let mut batch = named(letters, b"a", token);
    batch.expect(letters, b"a", Expect::Present);
    let demand = "property 6: after a conflict neither the batch nor its token is committed";
    refused(backend.commit(&batch, Durability::Buffered), ErrorKind::Conflict, demand);
    assert!(!is_committed(&*backend, token), "{demand}");
    put(&*backend, letters, b"a", b"there now");
    ok(backend.commit(&batch, Durability::Buffered), demand);
    assert!(is_committed(&*backend, token), "{demand}");
    // AlreadyExists takes precedence over Conflict, because the caller must learn that the batch is stored.
    let mut again = named(letters, b"a", token);
    again.expect(letters, b"a", Expect::Absent);
    let demand =
        "property 6: the token is checked before the conditions, which its own batch may have invalidated";
    refused(backend.commit(&again, Durability::Buffered), ErrorKind::AlreadyExists, demand);
}

pub(super) fn a_forgotten_token_can_be_used_again(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let (token, other) = (CommitToken([2; 16]), CommitToken([3; 16]));
    ok(backend.forget(token), "forgetting a token that was never used");
    commit(&*backend, &named(letters, b"a", token));
    commit(&*backend, &named(letters, b"b", other));
    ok(backend.forget(token), "forgetting a token");
    ok(backend.forget(token), "forgetting it again");
    assert!(!is_committed(&*backend, token), "property 6: a forgotten token is not committed");
    assert!(is_committed(&*backend, other), "property 6: other tokens are kept");
    ok(
        backend.commit(&named(letters, b"c", token), Durability::Buffered),
        "property 6: a commit with a forgotten token",
    );
    assert!(is_committed(&*backend, token), "property 6: a forgotten token can be committed again");
}

pub(super) fn tokens_are_kept_apart_from_rows(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let token = CommitToken(*b"sixteen bytes...");
    let mut only_token = WriteBatch::new();
    commit(&*backend, only_token.set_token(token));
    let demand = "property 6: tokens are not visible as rows or keyspaces of an application";
    assert!(is_committed(&*backend, token), "property 6: a token without operations is committed too");
    assert_eq!(all_rows(&*backend, letters), [], "{demand}");
    let names = ok(backend.keyspaces(), "listing keyspaces");
    let shown: Vec<_> = names.iter().filter(|name| !is_reserved_keyspace(name)).collect();
    assert_eq!(shown, ["letters"], "{demand}");
}

pub(super) fn a_token_survives_a_reopen(fixture: &Fixture) {
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let (kept, forgotten) = (CommitToken([4; 16]), CommitToken([5; 16]));
    ok(backend.commit(&named(letters, b"a", kept), fixture.durability()), "a commit with a token");
    ok(backend.commit(&named(letters, b"b", forgotten), fixture.durability()), "a commit with a token");
    ok(backend.forget(forgotten), "forgetting a token");
    ok(backend.flush(), "a flush");
    drop(backend);
    let backend = fixture.open();
    let letters = keyspace(&*backend, "letters");
    let demand = "property 6: a token is stored with its batch";
    assert!(is_committed(&*backend, kept), "{demand}");
    assert!(!is_committed(&*backend, forgotten), "property 6: a forgotten token stays forgotten");
    let again = backend.commit(&named(letters, b"a", kept), Durability::Buffered);
    refused(again, ErrorKind::AlreadyExists, demand);
}
