//! When certificates expire. Whoever puts one to use says it here, so that what is told is of the one in use.

use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// With it we speak TLS.
    Tls,
    /// With its key tokens are signed.
    Jwt,
}

impl Use {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls, Self::Jwt];

    /// The value of the label.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Jwt => "jwt",
        }
    }
}

const NONE: i64 = i64::MIN;
const A_DAY: f64 = 24.0 * 60.0 * 60.0;

/// By [`Use`], in seconds since 1970.
static EXPIRES: [AtomicI64; 2] = [AtomicI64::new(NONE), AtomicI64::new(NONE)];

/// The certificate for this is in use from now on. `None`: there is none, or nobody knows it.
pub fn certificate_expires(used: Use, not_after: Option<OffsetDateTime>) {
    let at = not_after.map_or(NONE, OffsetDateTime::unix_timestamp);
    EXPIRES[used as usize].store(at, Ordering::Relaxed);
}

/// The days that are left; below 0 it has expired.
pub(super) fn days_left(used: Use, now: OffsetDateTime) -> Option<f64> {
    let at = EXPIRES[used as usize].load(Ordering::Relaxed);
    // To the hundredth: a number that people read.
    (at != NONE).then(|| ((at - now.unix_timestamp()) as f64 / A_DAY * 100.0).floor() / 100.0)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn days_are_those_until_the_end_and_negative_behind_it() {
        let end = datetime!(2026-11-23 12:00 UTC);
        assert_eq!(days_left(Use::Tls, end), None);
        certificate_expires(Use::Tls, Some(end));
        assert_eq!(days_left(Use::Tls, datetime!(2026-11-13 0:00 UTC)), Some(10.5));
        assert_eq!(days_left(Use::Tls, datetime!(2026-11-25 12:00 UTC)), Some(-2.0));
        assert_eq!(days_left(Use::Jwt, end), None);
        certificate_expires(Use::Tls, None);
        assert_eq!(days_left(Use::Tls, end), None);
    }
}
