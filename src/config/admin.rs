//! Who may look at the pages for administrators.

use std::collections::BTreeSet;

use super::reader::{Reader, line};
use super::{Server, Shown};
use crate::pages::Pages;

const GROUPS: &str = "list groups as the way of signing in names them, such as Portal Admins,IT, or leave it out";

/// The pages for administrators, where there are any.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Groups of identities, letter for letter. Never empty.
    pub groups: BTreeSet<String>,
    /// What was noticed while the settings were read.
    pub hints: Vec<String>,
    /// The settings in effect, secrets masked.
    pub shown: Vec<Shown>,
}

/// Names of groups may have spaces, so only commas part them.
pub(super) fn groups(reader: &mut Reader, server: Option<&Server>, pages: Option<&Pages>) -> Option<BTreeSet<String>> {
    let groups = reader.optional("ADMIN_GROUPS", GROUPS, |text| {
        let names = text
            .split(',')
            .map(str::trim)
            .map(|name| if name.is_empty() { Err("has an empty item") } else { line(name) });
        names.collect::<Result<BTreeSet<_>, _>>()
    })?;
    let (server, pages) = (server?, pages?);
    if pages.use_proxy() && server.proxy_url.is_none() {
        reader.hint(
            "ADMIN_GROUPS is set and PROXY_URL is not: scripts of the tenant have the origin of our pages, so in an \
             administrator's browser they can do what that administrator can. Set PROXY_URL",
        );
    }
    Some(groups)
}
