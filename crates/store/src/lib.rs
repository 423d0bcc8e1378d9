//! The store of Strongroom: one commit pipeline, checksums and keyspaces over any backend.
