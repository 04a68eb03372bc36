//! Which answer means which entry. Tables, because the browser's page gets them too ([`super::script`]).

use super::{Advice, Answer, At, Sign, Silent, browser, calls, content, engine, login, oauth, people, provider, proxy};

/// A row: what is looked up, and its entry.
type Row<K> = (K, &'static Advice);

/// Codes of the tenant, whatever its call (Qlik Cloud facts, section I).
pub(super) static CODES: [Row<&str>; 10] = [
    ("LOGIN-2", &calls::UNKNOWN_HOST),
    ("LOGIN-10", &browser::RETURN_NOT_LISTED),
    ("LOGIN-12", &login::SAME_EMAIL),
    ("USER_INVITE_EXPIRED", &login::INVITATION_EXPIRED),
    ("AUTH-5", &login::NOT_A_MEMBER),
    ("INTERNAL-TOKEN-1", &login::TOKEN_INCOMPLETE),
    ("CSRF-TOKEN-2", &browser::CSRF_REFUSED),
    ("USERS-7", &calls::NOT_FOUND),
    ("GROUPS-7", &calls::NOT_FOUND),
    ("TENANTS-8", &calls::NOT_FOUND),
];

/// Says only that something is wrong with the token.
const UNCLEAR: &str = "INTERNAL-TOKEN-1";

/// What the detail of a refused login may say, in small letters. None of it is documented (section N 2), so it only chooses among
/// refusals of a token.
pub(super) static DETAILS: [Row<&str>; 11] = [
    ("unable to decode", &login::CERTIFICATE_BROKEN),
    ("already been used", &login::TOKEN_REPLAYED),
    ("already used", &login::TOKEN_REPLAYED),
    ("replay", &login::TOKEN_REPLAYED),
    ("not yet valid", &login::CLOCK_SKEW),
    ("not active", &login::CLOCK_SKEW),
    ("in the future", &login::CLOCK_SKEW),
    ("expired", &login::CLOCK_SKEW),
    ("3600", &login::TOKEN_LIFETIME),
    ("lifetime", &login::TOKEN_LIFETIME),
    ("granted access", &browser::ORIGIN_NOT_LISTED),
];

/// Statuses by call, where no code says more.
pub(super) static STATUSES: [Row<(At, u16)>; 30] = [
    ((At::Login, 400), &login::TOKEN_INCOMPLETE),
    ((At::Login, 401), &login::TOKEN_REFUSED),
    ((At::Login, 403), &login::LOGIN_FORBIDDEN),
    ((At::Login, 404), &calls::WRONG_ADDRESS),
    ((At::Login, 406), &login::NOT_ACCEPTABLE),
    ((At::UsersMe, 401), &calls::SESSION_ENDED_THERE),
    ((At::UsersMe, 403), &login::LOGIN_FORBIDDEN),
    ((At::UsersMe, 404), &calls::WRONG_ADDRESS),
    ((At::Csrf, 400), &browser::NO_CSRF_TOKEN),
    ((At::Csrf, 401), &calls::SESSION_ENDED_THERE),
    ((At::Csrf, 404), &browser::NO_CSRF_TOKEN),
    ((At::Rest, 401), &calls::SESSION_ENDED_THERE),
    ((At::Rest, 404), &calls::NOT_FOUND),
    ((At::Rest, 409), &calls::CONFLICT),
    ((At::Handshake, 400), &engine::HANDSHAKE_REFUSED),
    ((At::Handshake, 401), &engine::HANDSHAKE_REFUSED),
    ((At::Handshake, 403), &engine::HANDSHAKE_REFUSED),
    ((At::Handshake, 404), &content::NO_APP),
    ((At::Handshake, 426), &engine::HTTP2),
    ((At::Single, 302), &browser::FRAME_LEADS_TO_LOGIN),
    ((At::Single, 401), &browser::FRAME_LEADS_TO_LOGIN),
    ((At::WellKnown, 401), &calls::UNKNOWN_HOST),
    ((At::WellKnown, 404), &calls::UNKNOWN_HOST),
    ((At::Admin, 401), &oauth::ADMIN_UNAUTHORIZED),
    ((At::Admin, 403), &oauth::ADMIN_FORBIDDEN),
    ((At::Admin, 404), &calls::NOT_FOUND),
    ((At::Admin, 409), &calls::CONFLICT),
    ((At::OauthToken, 400), &oauth::OAUTH_REQUEST),
    ((At::OauthToken, 401), &oauth::OAUTH_CLIENT),
    ((At::OauthToken, 403), &oauth::OAUTH_FORBIDDEN),
];

/// Errors of an OpenID provider (RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6).
pub(super) static PROVIDER_CODES: [Row<&str>; 14] = [
    ("invalid_client", &provider::CLIENT),
    ("unauthorized_client", &provider::CLIENT),
    ("unsupported_response_type", &provider::CLIENT),
    ("unsupported_grant_type", &provider::CLIENT),
    ("redirect_uri_mismatch", &provider::REDIRECT),
    ("invalid_grant", &provider::GRANT),
    ("invalid_scope", &provider::SCOPE),
    ("access_denied", &provider::REFUSED),
    ("login_required", &provider::REFUSED),
    ("interaction_required", &provider::REFUSED),
    ("consent_required", &provider::REFUSED),
    ("account_selection_required", &provider::REFUSED),
    ("server_error", &provider::UNAVAILABLE),
    ("temporarily_unavailable", &provider::UNAVAILABLE),
];

/// Close codes of the engine that mean the same whenever they come (section F.4), and our own.
pub(super) static CLOSES: [Row<u16>; 22] = [
    (4000, &engine::SUSPENDED),
    (4001, &engine::IDLE),
    (4002, &people::LICENCE_RENEWAL),
    (4003, &engine::TERMINATING),
    (4004, &content::APP_MOVED),
    (4005, &engine::SESSION_LIMIT),
    (4006, &engine::SIGNED_OUT_THERE),
    (4007, &content::APP_MODE_CHANGED),
    (4200, &engine::ENGINE_UNAVAILABLE),
    (4201, &engine::CLIENT_TIMED_OUT),
    (4202, &engine::BAD_REQUEST),
    (4203, &people::NO_PERMISSION),
    (4204, &content::NO_APP),
    (4205, &calls::TOO_MANY_REQUESTS),
    (4206, &engine::NETWORK),
    (4210, &engine::ENGINE_UNAVAILABLE),
    (4211, &engine::ENGINE_UNAVAILABLE),
    (4220, &engine::ENGINE_UNAVAILABLE),
    (4222, &engine::ENGINE_UNAVAILABLE),
    (4230, &people::NO_LICENCE),
    (4240, &engine::NO_ENGINE),
    (4401, &proxy::SIGNED_OUT_HERE),
];

/// Close codes that mean something only once the app is open: before, anybody may have sent them.
pub(super) static CLOSES_WHEN_OPEN: [Row<u16>; 2] = [(1000, &engine::CLOSED), (1009, &engine::MESSAGE_TOO_LARGE)];

/// Errors of the engine's API (section F.3).
pub(super) static ERRORS: [Row<i32>; 21] = [
    (2, &content::NO_APP),
    (5, &people::NO_PERMISSION),
    (15, &engine::ABORTED),
    (16, &engine::ENGINE_LOST),
    (19, &content::APP_MEMORY),
    (21, &engine::ENGINE_UNAVAILABLE),
    (401, &engine::SIGNED_OUT_THERE),
    (403, &people::NO_PERMISSION),
    (404, &content::NO_APP),
    (429, &calls::TOO_MANY_REQUESTS),
    (500, &engine::ENGINE_UNAVAILABLE),
    (502, &engine::ENGINE_UNAVAILABLE),
    (503, &engine::ENGINE_UNAVAILABLE),
    (504, &engine::ENGINE_UNAVAILABLE),
    (1003, &content::NO_APP),
    (1007, &content::APP_DAMAGED),
    (1008, &engine::ENGINE_UNAVAILABLE),
    (1009, &content::APP_OPEN_OTHERWISE),
    (1015, &content::APP_TOO_LARGE),
    (1019, &content::NO_APP),
    (6003, &content::DIALOG_OPEN),
];

/// States of `OnConnected` that are refusals (section F.2).
pub(super) static STATES: [Row<&str>; 7] = [
    ("SESSION_ERROR_NO_LICENSE", &people::NO_LICENCE),
    ("SESSION_ERROR_LICENSE_RENEW", &people::LICENCE_RENEWAL),
    ("SESSION_ERROR_LIMIT_EXCEEDED", &engine::SESSION_LIMIT),
    ("SESSION_ERROR_SECURITY_HEADER_CHANGED", &engine::SIGNED_OUT_THERE),
    ("SESSION_ACCESS_CONTROL_SETUP_FAILURE", &people::NO_PERMISSION),
    ("SESSION_ERROR_APP_ACCESS_DENIED", &people::NO_PERMISSION),
    ("SESSION_ERROR_APP_FAILURE", &content::APP_FAILED),
];

/// The entry for an answer. There is one for every answer; the last ones only say of which kind it is.
pub fn of(answer: &Answer<'_>) -> &'static Advice {
    match *answer {
        Answer::Http { at: At::Provider, status, code, .. } => of_provider(status, code),
        Answer::Http { at, status, code, detail, html } => of_http(at, status, code, detail, html),
        Answer::Unreachable { at: At::Provider, .. } => &provider::UNAVAILABLE,
        Answer::Unreachable { why, .. } => match why {
            Silent::Name => &calls::NAME_UNKNOWN,
            Silent::Refused => &calls::CONNECTION_REFUSED,
            Silent::WayOut => &calls::NO_WAY_OUT,
            Silent::Tls => &calls::TLS_FAILED,
            Silent::TimedOut => &calls::NO_ANSWER_IN_TIME,
            Silent::Broken => &calls::CONNECTION_BROKEN,
        },
        Answer::Close { code, open } => {
            let other = if open { &engine::CONNECTION_LOST } else { &engine::CLOSED_EARLY };
            let when_open = if open { find(&CLOSES_WHEN_OPEN, &code) } else { None };
            find(&CLOSES, &code).or(when_open).unwrap_or(other)
        }
        Answer::Engine(code) => find(&ERRORS, &code).unwrap_or(&content::ENGINE_ERROR),
        Answer::State(state) => find(&STATES, &state).unwrap_or(&engine::STATE_REFUSED),
        Answer::Silence => &engine::SILENT,
        Answer::Found(sign) => of_sign(sign),
    }
}

fn of_http(at: At, status: u16, code: Option<&str>, detail: &str, html: bool) -> &'static Advice {
    if status == 429 {
        return &calls::TOO_MANY_REQUESTS;
    }
    if status >= 500 {
        return &calls::TENANT_TROUBLE;
    }
    let refused = (400..500).contains(&status);
    let of_status = find(&STATUSES, &(at, status));
    // The edge says 404 and 406 in HTML too; a page of the tenant is one.
    if html && !matches!(status, 404 | 406) && at != At::Single {
        return &calls::ANSWERED_IN_HTML;
    }
    let of_code = if refused { code.and_then(|code| find(&CODES, &code)) } else { None };
    // The one code that stands for several problems.
    let is_open = of_code.is_none() || code == Some(UNCLEAR);
    let of_detail = if is_open && matches!((at, status), (At::Login, 400 | 401)) { find_detail(detail) } else { None };
    of_detail.or(of_code).or(of_status).unwrap_or(match (at, status) {
        (At::Preflight, 400..500) => &browser::ORIGIN_NOT_LISTED,
        (At::Handshake, 400..500) => &engine::HANDSHAKE_REFUSED,
        (At::Login, _) => &login::LOGIN_REFUSED,
        (_, 300..400) => &calls::LED_ELSEWHERE,
        (_, 400..500) => &calls::REQUEST_REFUSED,
        _ => &calls::UNEXPECTED_ANSWER,
    })
}

fn of_provider(status: u16, code: Option<&str>) -> &'static Advice {
    let of_code = code.and_then(|code| find(&PROVIDER_CODES, &code));
    let other = if status == 429 || status >= 500 { &provider::UNAVAILABLE } else { &provider::UNUSABLE };
    of_code.unwrap_or(other)
}

fn of_sign(sign: Sign) -> &'static Advice {
    match sign {
        Sign::TokenLifetime => &login::TOKEN_LIFETIME,
        Sign::ClockSkew => &login::CLOCK_SKEW,
        Sign::KeyMismatch => &login::KEY_MISMATCH,
        Sign::CertificateBroken => &login::CERTIFICATE_BROKEN,
        Sign::CertificateExpired => &login::CERTIFICATE_EXPIRED,
        Sign::TokenReplayed => &login::TOKEN_REPLAYED,
        Sign::IdentityProviderMissing => &login::IDENTITY_PROVIDER_MISSING,
        Sign::CookiesNotSet => &browser::COOKIES_NOT_SET,
        Sign::CookiesBlocked => &browser::COOKIES_BLOCKED,
        Sign::CookiesNotCrossSite => &browser::COOKIES_NOT_CROSS_SITE,
        Sign::NoCsrfToken => &browser::NO_CSRF_TOKEN,
        Sign::WebIntegrationMissing => &browser::WEB_INTEGRATION_MISSING,
        Sign::OriginNotListed => &browser::ORIGIN_NOT_LISTED,
        Sign::AnswerHidden => &browser::ANSWER_HIDDEN,
        Sign::FramesNotAllowed => &browser::FRAMES_NOT_ALLOWED,
        Sign::FrameLeadsToLogin => &browser::FRAME_LEADS_TO_LOGIN,
        Sign::OtherSubject => &browser::OTHER_SUBJECT,
        Sign::SubjectChanges => &people::SUBJECT_CHANGES,
        Sign::DuplicateUsers => &people::DUPLICATE_USERS,
        Sign::SameEmail => &login::SAME_EMAIL,
        Sign::GroupsNotCreated => &people::GROUPS_IGNORED,
        Sign::AccessOnItsWay => &people::ACCESS_ON_ITS_WAY,
        Sign::NoSpaceRole => &people::NO_PERMISSION,
        Sign::AppMissing => &content::NO_APP,
        Sign::SheetMissing => &content::NO_SHEET,
        Sign::NoTheme => &content::NO_THEME,
        Sign::NoLicence => &people::NO_LICENCE,
        Sign::SessionIdle => &engine::SESSION_IDLE,
        Sign::SelectionsShared => &content::SELECTIONS_SHARED,
        Sign::Http2 => &engine::HTTP2,
        Sign::ProductInfo => &proxy::PRODUCT_INFO,
        Sign::LinksLeave => &proxy::LINKS_LEAVE,
        Sign::PathsNotServed => &proxy::PATHS_NOT_SERVED,
        Sign::EmbedAsksToAuthorize => &browser::EMBED_ASKS,
        Sign::ConsentNotTrusted => &oauth::CONSENT,
        Sign::TokenOriginNotListed => &oauth::ORIGIN,
        Sign::NoUser => &oauth::NO_USER,
        Sign::ProviderUnavailable => &provider::UNAVAILABLE,
        Sign::ProviderUnusable => &provider::UNUSABLE,
        Sign::ProviderRefused => &provider::REFUSED,
        Sign::ProviderUnverified => &provider::UNVERIFIED,
        Sign::ProviderTooMuch => &provider::TOO_MUCH,
    }
}

fn find<K: PartialEq>(table: &[Row<K>], key: &K) -> Option<&'static Advice> {
    table.iter().find(|(row, _)| row == key).map(|(_, advice)| *advice)
}

fn find_detail(detail: &str) -> Option<&'static Advice> {
    let detail = detail.to_lowercase();
    DETAILS.iter().find(|(words, _)| detail.contains(words)).map(|(_, advice)| *advice)
}
