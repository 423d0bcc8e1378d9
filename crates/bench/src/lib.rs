//! What the layer costs over the raw engines, side by side in one run.
