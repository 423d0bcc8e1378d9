//! Conformance suite, model, mirror and fault backends for any Strongroom backend.
