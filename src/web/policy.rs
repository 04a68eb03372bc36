//! Content security policies (CSP level 3). They begin at `'none'` and name the tenant only where a page needs it. Pure.

use crate::origin::Origin;
use crate::pages::Flow;

/// Pages without the tenant: no scripts at all, never in a frame.
pub const PLAIN: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                            frame-ancestors 'none'";

/// The policy of an embed page: our own scripts and styles; calls, sockets and frames to where its flow meets the tenant, be
/// that the tenant itself or the origin that passes requests on.
pub fn of_embed(flow: Flow, tenant: &Origin, proxy: &Origin, frame_ancestors: &[String]) -> String {
    let met = [(flow.uses_browser(), tenant), (flow.uses_proxy(), proxy)];
    let met = met.into_iter().filter_map(|(used, origin)| used.then_some(origin));
    // Our own endpoints. Not every browser takes `'self'` for sockets, so they are named also where the proxy is ourselves.
    let mut connect = "connect-src 'self'".to_owned();
    // What fails on the way to the tenant may lead to a page of ours that says so.
    let mut frame = if flow.uses_proxy() { "frame-src 'self'" } else { "frame-src" }.to_owned();
    for origin in met {
        connect.push_str(&format!(" {origin} {}", origin.websocket()));
        frame.push_str(&format!(" {origin}"));
    }
    let ancestors = frame_ancestors.join(" ");
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        &connect,
        &frame,
        "form-action 'self'",
        "base-uri 'none'",
        &format!("frame-ancestors {ancestors}"),
    ]
    .join("; ")
}

/// The policy of the list of pages, whose script searches it.
pub fn of_home() -> String {
    format!("script-src 'self'; {PLAIN}")
}

/// The policy of the page after signing out, whose script ends the tenant's session in this browser, where there can be one.
pub fn of_signed_out(tenant: Option<&Origin>) -> String {
    match tenant {
        Some(tenant) => format!("script-src 'self'; connect-src {tenant}; {PLAIN}"),
        None => PLAIN.to_owned(),
    }
}

/// The policy of a page that reports a failure where the page would have been: inside somebody's frame. Its style comes from
/// `assets`.
pub fn of_failure(assets: &str, frame_ancestors: &[String]) -> String {
    format!(
        "default-src 'none'; style-src {assets}; img-src {assets}; form-action 'self'; base-uri 'none'; frame-ancestors {}",
        frame_ancestors.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).expect("an origin")
    }

    #[test]
    fn the_embed_page_may_reach_what_its_flow_needs_and_nothing_else() {
        let tenant = origin("https://acme.eu.qlikcloud.com");
        let portal = origin("https://portal.example");
        let sibling = origin("https://analytics.portal.example");
        let there = "https://acme.eu.qlikcloud.com wss://acme.eu.qlikcloud.com";
        let ours = "https://portal.example wss://portal.example";
        let beside = "https://analytics.portal.example wss://analytics.portal.example";
        for (flow, proxy, connect, frame) in [
            (Flow::Session, &portal, there.to_owned(), "https://acme.eu.qlikcloud.com"),
            (Flow::Proxy, &portal, ours.to_owned(), "'self' https://portal.example"),
            (Flow::Proxy, &sibling, beside.to_owned(), "'self' https://analytics.portal.example"),
            (
                Flow::Auto,
                &sibling,
                format!("{there} {beside}"),
                "'self' https://acme.eu.qlikcloud.com https://analytics.portal.example",
            ),
        ] {
            assert_eq!(
                of_embed(flow, &tenant, proxy, &["'self'".into(), "https://intranet.example".into()]),
                format!(
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                     connect-src 'self' {connect}; frame-src {frame}; form-action 'self'; base-uri 'none'; \
                     frame-ancestors 'self' https://intranet.example"
                )
            );
        }
        let plain = of_embed(Flow::Session, &origin("http://localhost:9"), &portal, &["'none'".into()]);
        assert!(plain.contains("connect-src 'self' http://localhost:9 ws://localhost:9;"), "{plain}");
    }
}
