//! What keeps a template from making one person two, or two people one.

use super::{Field, Filter, Part, Purpose, TemplateError};

/// Words that people try, and that would make one person's subject differ from one time to another.
const CHANGING: [&str; 16] = [
    "name",
    "group",
    "groups",
    "claims.name",
    "random",
    "uuid",
    "now",
    "time",
    "date",
    "iat",
    "jti",
    "session",
    "sid",
    "auth_time",
    "nonce",
    "exp",
];

/// Claims of one sign-in (OpenID Connect Core 1.0, sections 2 and 3.3.2.11; OpenID Connect Front-Channel Logout 1.0) or of
/// what changes in a life: a name, a role, a department (OpenID Connect Core 1.0, section 5.1).
const CHANGING_CLAIMS: [&str; 50] = [
    "auth_time",
    "iat",
    "exp",
    "nbf",
    "jti",
    "nonce",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
    "rt_hash",
    "session_state",
    "session_id",
    "acr",
    "amr",
    "azp",
    "scope",
    "scp",
    "uti",
    "rh",
    "aio",
    "xms_st",
    "updated_at",
    "last_login",
    "last_password_reset",
    "login_count",
    "logins_count",
    "ip",
    "ipaddr",
    "last_ip",
    "random",
    "uuid",
    "name",
    "given_name",
    "middle_name",
    "family_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "address",
    "locale",
    "zoneinfo",
    "email_verified",
    "phone_number_verified",
    "title",
    "department",
    "role",
    "roles",
    "groups",
];

/// Claims that everybody of a client or a tenant has the same, or many people do.
const SHARED_CLAIMS: [&str; 7] = ["iss", "aud", "client_id", "tid", "hd", "birthdate", "gender"];

/// Whether what stands in braces is not the same for one person always.
pub(super) fn changes(field: &str) -> bool {
    let field = field.to_lowercase();
    let claim = field.strip_prefix("claims.").is_some_and(|path| CHANGING_CLAIMS.contains(&last_name(path)));
    claim || CHANGING.contains(&&*field)
}

/// Whether it is a claim whose value the provider does not promise to be one person's for good: "MUST NOT be relied upon to
/// be unique" (OpenID Connect Core 1.0, sections 5.1 and 5.7). `upn` and `unique_name` are Microsoft's; both change with a
/// marriage, and an address that has become free is given to others.
pub(super) fn is_chosen(field: &str) -> bool {
    let field = field.to_lowercase();
    let path = field.strip_prefix("claims.");
    path.is_some_and(|path| ["preferred_username", "unique_name", "upn"].contains(&last_name(path)))
}

fn last_name(path: &str) -> &str {
    path.rsplit(['.', '/', ':']).next().unwrap_or(path)
}

pub(super) fn check(purpose: Purpose, parts: &[Part]) -> Result<(), TemplateError> {
    match purpose {
        Purpose::Subject if !parts.iter().any(is_unique) => Err(TemplateError::NotUnique),
        Purpose::Subject if parts.windows(2).any(|pair| touch(&pair[0], &pair[1])) => Err(TemplateError::Touching),
        Purpose::Email if !parts.iter().any(is_unique) => Err(TemplateError::OneAddress),
        Purpose::Group if parts.iter().filter(|part| is_list(part)).count() > 1 => Err(TemplateError::TwoLists),
        _ => Ok(()),
    }
}

fn is_unique(part: &Part) -> bool {
    match part {
        Part::Field(Field::Id | Field::Email, _) => true,
        Part::Field(Field::Claim(path), _) => !SHARED_CLAIMS.contains(&&*path.to_lowercase()),
        _ => false,
    }
}

fn is_list(part: &Part) -> bool {
    matches!(part, Part::Field(Field::Group | Field::Claim(_), _))
}

/// Where one field ends and the next begins cannot be seen. It can where one has a fixed width, as a hash has, or where
/// the first is a source: sources are a fixed set of words of which none begins another.
fn touch(one: &Part, other: &Part) -> bool {
    let (Part::Field(first, one), Part::Field(_, other)) = (one, other) else { return false };
    let fixed = |filters: &[Filter]| filters.contains(&Filter::Sha256);
    !(*first == Field::Source || fixed(one) || fixed(other))
}
