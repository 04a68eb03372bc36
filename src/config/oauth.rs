//! Settings of the flow `oauth`: the client that impersonates, and whether users are made.

use super::reader::{Reader, line, list};
use super::subject::secret;
use crate::access_token::Settings;
use crate::qlik::api::Access;
use crate::qlik::key::SigningKey;
use crate::qlik::oauth::{Authentication, Client};

/// Where the client's id comes from.
pub(super) const CLIENT_ID: &str =
    "copy it from the tenant: Administration, OAuth, the client that may impersonate users";

const ID: &str = "QLIK_OAUTH_CLIENT_ID";
const SECRET: &str = "QLIK_OAUTH_CLIENT_SECRET";
const KEY: &str = "QLIK_OAUTH_PRIVATE_KEY";
const KEY_ID: &str = "QLIK_OAUTH_KEY_ID";
const AUTHENTICATION: &str =
    "set QLIK_OAUTH_CLIENT_SECRET; or, for private_key_jwt, QLIK_OAUTH_PRIVATE_KEY_FILE and QLIK_OAUTH_KEY_ID";

/// How access tokens are had, if they are. `None` after a problem.
pub(super) fn read(
    reader: &mut Reader,
    id: Option<&str>,
    access: Option<&Access>,
    logins_a_minute: Option<u32>,
    shared: bool,
) -> Option<Option<Settings>> {
    let scope = reader.required("QLIK_OAUTH_SCOPES", "list scopes, such as user_default", scope);
    let provision = reader.required("QLIK_PROVISION", "write create or off", |text| match text {
        "create" => Ok(true),
        "off" => Ok(false),
        _ => Err("is neither create nor off"),
    });
    if !reader.is_set(ID) {
        for name in [SECRET, KEY, KEY_ID] {
            if reader.is_given(name) {
                reader.problem(name, format!("is set, and {ID} is not"), CLIENT_ID);
            }
        }
        if provision == Some(true) {
            reader.hint(format!(
                "QLIK_PROVISION has no effect without {ID}: the other flows make users at their first login"
            ));
        }
        return Some(None);
    }
    let authentication = authentication(reader);
    let can_provision = ["QLIK_API_KEY", "QLIK_ADMIN_CLIENT_ID"].iter().any(|name| reader.is_given(name));
    let provision = provision?;
    if provision && !can_provision {
        let remedy = "set QLIK_ADMIN_CLIENT_ID and QLIK_ADMIN_CLIENT_SECRET, or QLIK_API_KEY, or leave it off";
        reader.problem("QLIK_PROVISION", "is create, and there is no right to make users with", remedy);
        return None;
    }
    if reader.value(ID).is_some() && reader.value(ID) == reader.value("QLIK_ADMIN_CLIENT_ID") {
        reader.hint(format!(
            "{ID} and QLIK_ADMIN_CLIENT_ID are one client: tokens of visitors come of one that may change the tenant. Make two"
        ));
    }
    let client = Client { id: id?.to_owned(), authentication: authentication? };
    let (people, tokens_a_minute) = (access.cloned(), logins_a_minute?);
    Some(Some(Settings { client, scope: scope?, people, provision, rename: provision && !shared, tokens_a_minute }))
}

fn authentication(reader: &mut Reader) -> Option<Authentication> {
    match (reader.is_given(SECRET), reader.is_given(KEY), reader.is_set(KEY_ID)) {
        (true, false, false) => secret(reader, SECRET).map(Authentication::Secret),
        (false, true, true) => {
            let key_id = reader.optional(KEY_ID, "copy it from the OAuth client in the tenant", line);
            let (pem, _) = reader.secret(KEY, None)?;
            let key = SigningKey::parse(&pem)
                .map_err(|problem| reader.problem(KEY, problem, "name the file of the client's private key"))
                .ok();
            Some(Authentication::PrivateKey { key: key?, key_id: key_id? })
        }
        (false, true, false) => {
            reader.problem(KEY, format!("is set, and {KEY_ID} is not"), AUTHENTICATION);
            None
        }
        (false, false, true) => {
            reader.problem(KEY_ID, format!("is set, and {KEY} is not"), AUTHENTICATION);
            None
        }
        (true, ..) => {
            reader.problem(SECRET, "is set beside a private key of the client", "keep one of the two");
            None
        }
        (false, false, false) => {
            reader.problem(ID, "is set, and nothing shows that we are that client", AUTHENTICATION);
            None
        }
    }
}

/// Scopes as the tenant wants them: parted by spaces (RFC 6749, section 3.3).
fn scope(text: &str) -> Result<String, &'static str> {
    let names: Vec<_> = list(text).collect();
    let good = |name: &&str| name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\'));
    if names.is_empty() || !names.iter().all(good) {
        Err("has something that is no scope")
    } else {
        Ok(names.join(" "))
    }
}
