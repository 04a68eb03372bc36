//! How the tenant is called in JSON, and how it is to be called.

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::origin::Origin;

/// The tenant's origin and ours, in the two ways in which JSON writes slashes (RFC 8259, section 7).
#[derive(Debug)]
pub struct Names {
    /// What finds candidates: rare bytes, and the same in both ways.
    pub(super) host: Finder<'static>,
    pub(super) plain: Name,
    pub(super) escaped: Name,
}

/// An origin of the tenant, and what takes its place.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) from: Vec<u8>,
    pub(super) to: Bytes,
    /// How many bytes come before the host.
    pub(super) scheme: usize,
}

impl Names {
    /// From the tenant's origin to another one.
    pub fn new(tenant: &Origin, origin: &Origin) -> Self {
        let escape = |origin: &Origin| origin.as_str().replace('/', "\\/");
        let host = tenant.authority();
        let name = |from: String, to: String| Name {
            scheme: from.len() - host.len(),
            from: from.into_bytes(),
            to: Bytes::from(to),
        };
        Self {
            host: Finder::new(host.as_bytes()).into_owned(),
            plain: name(tenant.to_string(), origin.to_string()),
            escaped: name(escape(tenant), escape(origin)),
        }
    }

    /// The longest of them. What follows it decides whether it is one.
    pub(super) fn longest(&self) -> usize {
        self.escaped.from.len()
    }

    /// How many bytes at the end may be the beginning of a name.
    pub(super) fn begun(&self, bytes: &[u8]) -> usize {
        let longest = self.longest().min(bytes.len());
        let is_beginning = |length: &usize| {
            let end = &bytes[bytes.len() - length..];
            self.plain.from.starts_with(end) || self.escaped.from.starts_with(end)
        };
        (1..=longest).rev().find(is_beginning).unwrap_or(0)
    }

    /// The name that this host is the end of.
    pub(super) fn ending(&self, bytes: &[u8], host: usize) -> Option<&Name> {
        [&self.plain, &self.escaped].into_iter().find(|name| {
            let start = host.checked_sub(name.scheme);
            start.is_some_and(|start| bytes[start..].starts_with(&name.from))
        })
    }
}
