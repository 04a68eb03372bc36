//! Ways in which visitors say who they are. Each gives an [`Identity`](crate::identity::Identity) or refuses.

use crate::identity::Source;

pub mod password;

/// The ways that there are.
pub const WAYS: &[Source] = &[Source::Password];
