//! Settings of the sign-in at an OpenID provider.

use openidconnect::url::Url;
use openidconnect::{ClientId, IssuerUrl, RedirectUrl};
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, line, list};
use crate::auth::oidc::Settings;
use crate::identity::Source;
use crate::origin::{Origin, OriginError};

const SETTINGS: [&str; 6] =
    ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_SCOPES", "OIDC_GROUPS_CLAIM", "OIDC_PROMPT_NONE"];

/// `None` also when this way to sign in is not open.
pub(super) fn read(reader: &mut Reader, sign_in: Option<&[Source]>, public_url: Option<&Origin>) -> Option<Settings> {
    const ISSUER: &str = "copy the issuer from the provider's discovery document, letter for letter: \
                          https://login.example/realms/acme";
    const NAME: &str = "write the client ID that the provider gave to this portal";
    let open = sign_in.is_some_and(|ways| ways.contains(&Source::Oidc));
    let (issuer, client_id) = if open {
        (reader.required("OIDC_ISSUER", ISSUER, issuer), reader.required("OIDC_CLIENT_ID", NAME, line))
    } else {
        (reader.optional("OIDC_ISSUER", ISSUER, issuer), reader.optional("OIDC_CLIENT_ID", NAME, line))
    };
    let client_secret = reader.secret("OIDC_CLIENT_SECRET", None);
    let client_secret = client_secret.map(|(secret, _)| SecretString::from(secret.expose_secret().trim().to_owned()));
    let scopes = reader.required("OIDC_SCOPES", "list scopes, for example openid,profile,email", |text| {
        let besides = list(text).filter(|scope| *scope != "openid"); // which is always asked for
        Ok::<_, &str>(besides.map(str::to_owned).collect::<Vec<_>>())
    });
    let groups_claim =
        reader.required("OIDC_GROUPS_CLAIM", "write the claim's name, or its path: realm_access.roles", line);
    let prompt_none = reader.required("OIDC_PROMPT_NONE", "write true or false", |text| {
        text.parse::<bool>().map_err(|_| "is neither true nor false")
    });
    if !open {
        // When SIGN_IN itself is wrong, nobody knows yet what was meant.
        let set = SETTINGS.iter().find(|name| sign_in.is_some() && reader.is_set(name));
        if let Some(name) = set {
            reader.hint(format!("{name} has no effect: SIGN_IN does not list oidc"));
        }
        return None;
    }
    let public_url = public_url?;
    let after_logout = Url::parse(&format!("{public_url}/logout"));
    Some(Settings {
        issuer: issuer?,
        client_id: ClientId::new(client_id?),
        client_secret,
        scopes: scopes?,
        groups_claim: groups_claim?,
        prompt_none: prompt_none?,
        redirect: RedirectUrl::new(format!("{public_url}/login/oidc/callback")).ok()?,
        after_logout: after_logout.ok()?,
    })
}

/// An issuer is compared letter for letter: nothing is mended here (OpenID Connect Discovery 1.0, section 4.3).
fn issuer(text: &str) -> Result<IssuerUrl, String> {
    let url = Url::parse(text).map_err(|_| "is not an address such as https://login.example".to_owned())?;
    match Origin::parse_secure(&url.origin().ascii_serialization()) {
        Ok(_) => {}
        Err(OriginError::NotAUrl) => return Err(OriginError::Scheme.to_string()),
        Err(problem) => return Err(problem.to_string()),
    }
    if url.path().ends_with("/.well-known/openid-configuration") {
        return Err("is the address of the discovery document; the issuer is what stands before /.well-known".into());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must have no query, fragment or user name".into());
    }
    IssuerUrl::new(text.to_owned()).map_err(|problem| problem.to_string())
}
