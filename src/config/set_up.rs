//! What `setup` needs: where the tenant is and who we are to it, as far as it is known yet.

use time::OffsetDateTime;
use toml::Value;

use super::again::file_of;
use super::file::{Env, Sources};
use super::problem::Problems;
use super::reader::Reader;
use super::settings::SETTINGS;
use super::signing::{self, KeyInPlace};
use super::{page, server, subject};
use crate::origin::Origin;
use crate::qlik::Tenant;
use crate::qlik::api::Access;

/// What is known before everything is set up. Only the tenant has to be there.
#[derive(Clone, Debug)]
pub struct ToSetUp {
    /// The tenant, and the web integration if one is named.
    pub tenant: Tenant,
    /// The origin that visitors see.
    pub portal: Origin,
    /// By what right the tenant's administration is asked, if by any.
    pub access: Option<Access>,
    /// The key and what the tenant knows it by.
    pub signing: KeyInPlace,
    /// The app of the one page.
    pub app: Option<String>,
    /// Its sheet.
    pub sheet: Option<String>,
    /// Whether the configuration file has pages, which name their apps themselves.
    pub has_pages: bool,
    /// Whether browsers have sessions of their own at the tenant: unless every page takes the proxy, or tokens.
    pub uses_browser: bool,
    /// Whether groups are mapped, so that the tenant has to create them.
    pub maps_groups: bool,
    /// Remarks for the administrator.
    pub hints: Vec<String>,
}

/// Reads what `setup` needs.
///
/// # Errors
/// All problems in one report.
pub fn load_setup(env: &Env, now: OffsetDateTime) -> Result<ToSetUp, Problems> {
    let sources = Sources::of(env);
    let mut reader = Reader::new(&sources);
    let tenant = page::tenant(&mut reader);
    let portal = server::portal(&mut reader);
    let access = subject::access(&mut reader);
    let signing = signing::read_in_place(&mut reader, now);
    let (app, sheet) = page::content(&mut reader);
    let pages = sources.list("pages");
    let has_pages = !pages.is_empty();
    let shared = reader.value("QLIK_FLOW").unwrap_or_default();
    let has_cookies = |flow: &str| !matches!(flow, "proxy" | "oauth");
    let calls_tenant = |page: &Value| has_cookies(page.get("flow").and_then(Value::as_str).unwrap_or(shared));
    let uses_browser = if has_pages { pages.iter().any(calls_tenant) } else { has_cookies(shared) };
    let of_groups = ["GROUPS_ALLOW", "GROUPS_RENAME", "GROUPS_PREFIX", "HEADER_GROUPS"];
    let maps_groups = of_groups.iter().any(|name| reader.is_set(name)) || reader.has_table("groups");
    let (hints, _) = reader.finish()?;
    let read = (|| {
        Some(ToSetUp {
            tenant: tenant?,
            portal: portal?,
            access: access?,
            signing: signing?,
            app,
            sheet,
            has_pages,
            uses_browser,
            maps_groups,
            hints,
        })
    })();
    Ok(read.expect("what could not be read was reported as a problem"))
}

/// Settings as they were written, wherever and under whatever spelling.
#[derive(Debug)]
pub struct Written(Sources);

impl Written {
    /// Those of this environment, and of the file that it names.
    pub fn of(env: &Env) -> Self {
        Self(Sources::of(env))
    }

    /// What a setting was set to.
    pub fn value(&self, name: &str) -> Option<String> {
        Reader::new(&self.0).value(name).map(str::to_owned)
    }

    /// The files that have what settings say that are live.
    pub fn live_files(&self) -> Vec<String> {
        let live = SETTINGS.iter().filter(|setting| setting.live);
        live.filter_map(|setting| file_of(&self.0, setting)).map(str::to_owned).collect()
    }

    /// The file that was named for a secret.
    pub fn file_of(&self, secret: &str) -> Option<String> {
        Reader::new(&self.0).file_of(secret).map(str::to_owned)
    }
}
