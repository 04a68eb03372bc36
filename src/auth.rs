//! Ways in which visitors say who they are. Each gives an [`Identity`](crate::identity::Identity) or refuses.

use crate::identity::Source;

pub mod header;
pub mod oidc;
pub mod password;
pub mod ticket;

/// The ways that there are.
pub const WAYS: &[Source] = &Source::ALL;
