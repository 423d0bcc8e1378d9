//! The strongroom command: load, read, scan, count and digest stores of any engine.
