//! Which headers cross.
