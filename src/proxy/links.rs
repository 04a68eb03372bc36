//! Links in JSON.
