//! One ordered key-value storage layer over many embedded engines, chosen at run time.
