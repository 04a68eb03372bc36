//! Settings of how subjects are found and guarded.

use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, line};
use crate::qlik::Tenant;
use crate::qlik::api::Access;
use crate::subjects::{LookUp, Otherwise, Settings};

pub(super) fn read(
    reader: &mut Reader,
    tenant: Option<&Tenant>,
    access: Option<&Access>,
    shared: Option<bool>,
) -> Option<Settings> {
    let wanted = look_up(reader);
    let otherwise = reader.required("SUBJECT_LOOKUP_ELSE", "write deny or rules", |text| match text {
        "deny" => Ok(Otherwise::Deny),
        "rules" => Ok(Otherwise::Rules),
        _ => Err("is neither deny nor rules"),
    });
    let can_ask = access.is_some() || NAMES.iter().any(|name| reader.is_given(name));
    if wanted? && !can_ask {
        let remedy =
            "set QLIK_API_KEY, or QLIK_ADMIN_CLIENT_ID and QLIK_ADMIN_CLIENT_SECRET, or leave SUBJECT_LOOKUP out";
        reader.problem("SUBJECT_LOOKUP", "is email, and there is nothing to ask the tenant with", remedy);
        return None;
    }
    if !wanted? && reader.is_given("SUBJECT_LOOKUP_ELSE") {
        reader.hint("SUBJECT_LOOKUP_ELSE has no effect: SUBJECT_LOOKUP is off".to_owned());
    }
    let look_up = match wanted {
        Some(true) => Some(LookUp { tenant: tenant?.clone(), access: access?.clone(), otherwise: otherwise? }),
        _ => None,
    };
    Some(Settings { shared: shared?, look_up })
}

/// Whether the tenant is asked, without a word about anything else.
pub(super) fn look_up_is_on(reader: &Reader) -> bool {
    reader.value("SUBJECT_LOOKUP").is_some_and(|text| text != "off")
}

fn look_up(reader: &mut Reader) -> Option<bool> {
    reader.required("SUBJECT_LOOKUP", "write email or off", |text| match text {
        "off" => Ok(false),
        "email" => Ok(true),
        _ => Err("is neither email nor off"),
    })
}

const NAMES: [&str; 3] = ["QLIK_API_KEY", "QLIK_ADMIN_CLIENT_ID", "QLIK_ADMIN_CLIENT_SECRET"];

/// What the tenant is asked with, if there is something. `None` when there was a problem.
pub(super) fn access(reader: &mut Reader) -> Option<Option<Access>> {
    let key_is_set = reader.is_given("QLIK_API_KEY");
    let key = secret(reader, "QLIK_API_KEY");
    let id = reader.optional("QLIK_ADMIN_CLIENT_ID", "copy it from the OAuth client in the tenant", line);
    let secret_is_set = reader.is_given("QLIK_ADMIN_CLIENT_SECRET");
    let secret = secret(reader, "QLIK_ADMIN_CLIENT_SECRET");
    let one_of_two = match (reader.is_set("QLIK_ADMIN_CLIENT_ID"), secret_is_set) {
        (true, false) => Some(("QLIK_ADMIN_CLIENT_ID", "is set, and QLIK_ADMIN_CLIENT_SECRET is not")),
        (false, true) => Some(("QLIK_ADMIN_CLIENT_SECRET", "is set, and QLIK_ADMIN_CLIENT_ID is not")),
        (true, true) if key_is_set => Some(("QLIK_API_KEY", "is set, and QLIK_ADMIN_CLIENT_ID too")),
        _ => None,
    };
    if let Some((variable, reason)) = one_of_two {
        reader.problem(variable, reason, "set QLIK_API_KEY alone, or both of the client, or none of the three");
        return None;
    }
    match (key_is_set, key, id, secret) {
        (true, Some(key), ..) => Some(Some(Access::Key(key))),
        (false, _, Some(id), Some(secret)) => Some(Some(Access::Client { id, secret })),
        (false, _, None, None) if !secret_is_set => Some(None),
        _ => None,
    }
}

/// A secret that travels in a header or in JSON: one line of plain characters.
pub(super) fn secret(reader: &mut Reader, name: &'static str) -> Option<SecretString> {
    let (secret, _) = reader.secret(name, None)?;
    let text = secret.expose_secret().trim();
    if text.chars().all(|c| c.is_ascii_graphic()) {
        return Some(SecretString::from(text));
    }
    reader.problem(name, "has characters that are in no such secret", "copy it from the tenant again, in one line");
    None
}
