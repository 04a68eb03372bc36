//! Ways in which visitors say who they are. Each gives an [`Identity`](crate::identity::Identity) or refuses.

pub mod password;

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A local account with a password.
    Password,
}

impl Way {
    /// The way that `SIGN_IN` names so.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "password" => Some(Self::Password),
            _ => None,
        }
    }
}
