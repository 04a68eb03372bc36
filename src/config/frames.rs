//! Who may frame our pages, and whether that is another site.

use url::{Host, Url};

use super::Server;
use super::reader::{Reader, list};
use crate::identity::Source;
use crate::origin::Origin;

/// The sources of the CSP directive `frame-ancestors`, and whether other sites are among them. Cookies that frames there
/// shall have must be `Secure`, so plain http is remarked upon.
pub(super) fn read(reader: &mut Reader, public_url: Option<&Origin>) -> Option<(Vec<String>, bool)> {
    let sources = reader.required(
        "FRAME_ANCESTORS",
        "list 'self', 'none', or the sites that may frame the pages, for example 'self' https://portal.example",
        frame_ancestors,
    )?;
    let ours = public_url?;
    let others: Vec<_> = sources.iter().filter(|source| !is_same_site(source, ours)).map(String::as_str).collect();
    if !others.is_empty() && !ours.is_https() {
        reader.hint(format!(
            "FRAME_ANCESTORS names what may be another site ({}), and PUBLIC_URL is not https: browsers give no cookie to \
             frames of other sites then, so nobody is signed in there",
            others.join(", ")
        ));
    }
    let framed_by_other_sites = !others.is_empty();
    Some((sources, framed_by_other_sites))
}

/// Frames on other sites have a jar of cookies of their own: who signs in in a tab is not signed in there.
pub(super) fn check_ways(reader: &mut Reader, server: Option<&Server>, ways: Option<&[Source]>) {
    let into_frames = |ways: &[Source]| ways.iter().any(|way| matches!(way, Source::Ticket | Source::Header));
    if server.is_some_and(|server| server.framed_by_other_sites) && ways.is_some_and(|ways| !into_frames(ways)) {
        reader.hint(
            "FRAME_ANCESTORS names what may be another site, and SIGN_IN has neither ticket nor header: nobody can sign in \
             in frames there",
        );
    }
}

/// Whether everything that this source stands for is certainly of our site, so that frames there get `SameSite=Lax` cookies:
/// the same scheme, and the same host, one below it or one above it. For two hosts side by side only a list of public
/// suffixes could tell (`a.example.com` and `b.example.com` are one site, `a.co.uk` and `b.co.uk` two); without one they
/// count as two. That costs nothing: cookies for frames of other sites reach those of the same site as well.
fn is_same_site(source: &str, ours: &Origin) -> bool {
    if source.starts_with('\'') {
        return true;
    }
    let all_below = source.contains("://*.");
    let place = |text: &str| {
        let url = Url::parse(text).ok()?;
        Some((url.scheme().to_owned(), url.host()?.to_owned()))
    };
    let (Some((scheme, host)), Some((our_scheme, our_host))) =
        (place(&source.replacen("://*.", "://", 1)), place(ours.as_str()))
    else {
        return false;
    };
    let same_host = match (&host, &our_host) {
        // Whether `localhost` is above `a.localhost` in this sense, browsers do not agree.
        (Host::Domain(host), Host::Domain(our_host)) if all_below || host != our_host => {
            (all_below && host == our_host && host.contains('.'))
                || is_below(host, our_host)
                || (!all_below && is_below(our_host, host))
        }
        (host, our_host) => host == our_host,
    };
    scheme == our_scheme && same_host
}

fn is_below(host: &str, above: &str) -> bool {
    above.contains('.') && host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

/// Source expressions of CSP's `frame-ancestors` (CSP level 3, section 6.4.2), of those that are of use here.
fn frame_ancestors(text: &str) -> Result<Vec<String>, String> {
    let sources = list(text).map(frame_ancestor).collect::<Result<Vec<_>, _>>()?;
    if sources.len() > 1 && sources.iter().any(|source| source == "'none'") {
        return Err("has 'none' beside other sites".into());
    }
    Ok(sources)
}

fn frame_ancestor(source: &str) -> Result<String, String> {
    if let "'self'" | "'none'" = source {
        return Ok(source.to_owned());
    }
    if let "self" | "none" = source {
        return Ok(format!("'{source}'"));
    }
    // A wildcard stands for the first label only: `https://*.portal.example`.
    let (plain, wildcard) = match source.split_once("://*.") {
        Some((scheme, host)) => (format!("{scheme}://{host}"), true),
        None => (source.to_owned(), false),
    };
    let origin = Origin::parse(&plain).map_err(|problem| format!("has {source}, which {problem}"))?;
    Ok(if wildcard { origin.as_str().replacen("://", "://*.", 1) } else { origin.as_str().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_ancestors_are_sources_of_the_csp() {
        for (text, expected) in [
            ("'self'", Ok(vec!["'self'"])),
            ("self, https://portal.example", Ok(vec!["'self'", "https://portal.example"])),
            ("https://*.portal.example:444", Ok(vec!["https://*.portal.example:444"])),
            ("'none'", Ok(vec!["'none'"])),
            ("none self", Err("has 'none' beside other sites".to_owned())),
            (
                "portal.example",
                Err("has portal.example, which is not an address such as https://portal.example".into()),
            ),
            (
                "https://a.example; script-src *",
                Err("has https://a.example;, which has no usable host name: letters, digits, dots and hyphens, or an IP address".into()),
            ),
        ] {
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(frame_ancestors(text), expected, "{text}");
        }
    }

    #[test]
    fn other_sites_are_all_that_are_not_certainly_ours() {
        for (ours, source, same) in [
            ("https://portal.example", "'self'", true),
            ("https://portal.example", "'none'", true),
            ("https://portal.example", "https://portal.example", true),
            ("https://portal.example", "https://portal.example:8443", true),
            ("https://portal.example", "https://intranet.portal.example", true),
            ("https://portal.example", "https://*.portal.example", true),
            ("https://portal.example", "https://*.intranet.portal.example", true),
            ("https://qlik.portal.example", "https://portal.example", true),
            ("https://qlik.portal.example", "https://*.portal.example", false),
            ("https://qlik.portal.example", "https://intranet.portal.example", false),
            ("https://portal.example", "http://portal.example", false),
            ("https://portal.example", "https://otherportal.example", false),
            ("https://portal.example", "https://intranet.example", false),
            ("https://portal.example", "https://*.example", false),
            ("https://portal.co.uk", "https://intranet.co.uk", false),
            ("http://localhost:8080", "http://localhost:9000", true),
            ("http://localhost:8080", "http://analytics.localhost:8080", false),
            ("http://localhost:8080", "http://127.0.0.1:8080", false),
            ("http://127.0.0.1:8080", "http://127.0.0.1:9000", true),
            ("https://10.0.0.1", "https://0.0.1", false),
        ] {
            let origin = Origin::parse(ours).expect("an origin");
            assert_eq!(is_same_site(source, &origin), same, "{ours} {source}");
        }
    }
}
