//! What an administrator does in the tenant by hand: where to click, and what to paste.

use std::fmt;

use super::{Names, pair};

/// Making an OAuth client for impersonation (Qlik Cloud facts, section H.1).
pub const OAUTH_CLIENT: &str = "in the tenant: Administration, OAuth, Create new; type Web; name qlik-embed-bff; check \
    Allow Machine-to-Machine impersonation; scope user_default; allowed origin: that of PUBLIC_URL. Then run this again with \
    --oauth, which sets its consent method to trusted";

/// The steps, with the values for them.
#[derive(Clone, Debug)]
pub struct ByHand<'a> {
    /// The tenant's origin.
    pub tenant: &'a str,
    /// Our origin.
    pub portal: &'a str,
    /// Host and port of it.
    pub host: &'a str,
    /// Issuer, key ID and certificate; nothing as long as there is no key.
    pub key: Option<(&'a Names, Option<&'a str>)>,
    /// Whether browsers call the tenant themselves.
    pub uses_browser: bool,
    /// Whether the tenant has to create groups.
    pub groups: bool,
    /// Whether there shall be an OAuth client.
    pub oauth: bool,
    /// Whether app and sheet are still to be named.
    pub page: bool,
}

impl fmt::Display for ByHand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = 0..;
        let mut next = || number.next().map_or(0, |number: u32| number + 1);
        writeln!(f, "As a tenant administrator, at {}:\n", self.tenant)?;
        match self.key {
            None => writeln!(
                f,
                "{}. Make the key pair first: `qlik-embed-bff setup --apply` makes it, and prints what to paste here.",
                next()
            )?,
            Some((Names { issuer, key_id }, certificate)) => {
                writeln!(f, "{}. Administration, Identity provider, Create new, type JWT", next())?;
                writeln!(f, "     Description  qlik-embed-bff")?;
                writeln!(f, "     Certificate  the single line at the end, without a line end or blank after it")?;
                writeln!(f, "     Issuer       {issuer}\n     Key ID       {key_id}")?;
                if certificate.is_none() {
                    writeln!(f, "   There is no certificate beside the private key: use the one that belongs to it.")?;
                }
            }
        }
        if self.uses_browser {
            writeln!(f, "{}. Administration, Web, Create new", next())?;
            writeln!(f, "     Name    qlik-embed-bff\n     Origin  {}", self.portal)?;
            writeln!(f, "   Then put its id into .env: QLIK_WEB_INTEGRATION_ID=...")?;
            writeln!(f, "{}. Administration, Content Security Policy, Add", next())?;
            writeln!(
                f,
                "     Name       qlik-embed-bff\n     Origin     {}\n     Directive  frame-ancestors",
                self.host
            )?;
        }
        if self.groups {
            writeln!(f, "{}. Administration, Settings, Feature control: switch on Creation of groups", next())?;
        }
        if self.oauth {
            writeln!(f, "{}. An OAuth client, {OAUTH_CLIENT}", next())?;
        }
        if self.page {
            writeln!(
                f,
                "{}. Open the sheet. Its address has /app/APP_ID/ and /sheet/SHEET_ID/; put both into .env:",
                next()
            )?;
            writeln!(f, "     QLIK_APP_ID=...\n     QLIK_SHEET_ID=...")?;
        }
        writeln!(f, "{}. Give visitors, or a group of theirs, a role in the space of the app.", next())?;
        if let Some((_, Some(certificate))) = self.key {
            writeln!(f, "\nThe certificate as a single line:\n\n{}", pair::one_line(certificate))?;
        }
        Ok(())
    }
}
