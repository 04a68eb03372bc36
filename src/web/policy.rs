//! Content security policies (CSP level 3). They begin at `'none'` and name the tenant only where a page needs it. Pure.

use crate::config::embed_csp::MoreSources;
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

/// Where the components' runtime has files of its own, in every flow (Qlik Cloud facts, sections G.1 and H.6).
const CDN: &str = "https://cdn.qlikcloud.com";

/// The policy of a page with components, which draw themselves with scripts of the tenant. `met` is where they meet it: the
/// tenant, or the origin that passes requests on.
///
/// They put `<style>` into the page, hence the inline styles. An import map that the runtime makes is an inline script to
/// browsers; it has the nonce, which is another one with each answer (Qlik Cloud facts, section H.6).
pub fn of_components(flow: Flow, met: &Origin, nonce: &str, more: &MoreSources, frame_ancestors: &[String]) -> String {
    let socket = met.websocket();
    // What fails on the way through us may lead to a page of ours that says so.
    let ours = if flow.uses_proxy() { "'self' " } else { "" };
    let needed = [
        ("script-src", format!("'self' 'nonce-{nonce}' {met} {CDN}")),
        ("style-src", format!("'self' 'unsafe-inline' {CDN}")),
        ("font-src", format!("'self' {CDN}")),
        ("img-src", format!("'self' data: blob: {met} {CDN}")),
        ("connect-src", format!("'self' {met} {socket} {CDN}")),
        ("frame-src", format!("{ours}{met} {CDN}")),
        ("worker-src", format!("'self' blob: {met}")),
        ("child-src", format!("'self' blob: {met}")),
        // Nothing, unless more is asked for.
        ("media-src", String::new()),
    ];
    let mut directives = vec!["default-src 'none'".to_owned()];
    for (name, sources) in needed {
        let more = more.get(name).map(Vec::as_slice).unwrap_or_default();
        let sources: Vec<_> =
            sources.split(' ').chain(more.iter().map(String::as_str)).filter(|it| !it.is_empty()).collect();
        if !sources.is_empty() {
            directives.push(format!("{name} {}", sources.join(" ")));
        }
    }
    directives.push(format!("form-action 'self'; base-uri 'none'; frame-ancestors {}", frame_ancestors.join(" ")));
    directives.join("; ")
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
    #[test]
    fn components_may_reach_where_they_meet_the_tenant_and_its_cdn() {
        let there = |flow: Flow, met: &str, socket: &str, more: &MoreSources| {
            let ours = if flow == Flow::Proxy { "'self' " } else { "" };
            let script = more.get("script-src").map(|more| format!(" {}", more.join(" "))).unwrap_or_default();
            let media = more.get("media-src").map(|more| format!("media-src {}; ", more.join(" "))).unwrap_or_default();
            format!(
                "default-src 'none'; script-src 'self' 'nonce-once' {met} https://cdn.qlikcloud.com{script}; \
                 style-src 'self' 'unsafe-inline' https://cdn.qlikcloud.com; font-src 'self' https://cdn.qlikcloud.com; \
                 img-src 'self' data: blob: {met} https://cdn.qlikcloud.com; \
                 connect-src 'self' {met} {socket} https://cdn.qlikcloud.com; \
                 frame-src {ours}{met} https://cdn.qlikcloud.com; worker-src 'self' blob: {met}; \
                 child-src 'self' blob: {met}; {media}form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
            )
        };
        let more: MoreSources = [
            ("script-src", vec!["'unsafe-eval'".to_owned(), "https://a.example".to_owned()]),
            ("media-src", vec!["blob:".to_owned()]),
        ]
        .into();
        for (flow, met, socket) in [
            (Flow::Oauth, "https://acme.eu.qlikcloud.com", "wss://acme.eu.qlikcloud.com"),
            (Flow::Proxy, "https://analytics.portal.example", "wss://analytics.portal.example"),
            (Flow::Proxy, "http://localhost:9", "ws://localhost:9"),
        ] {
            for more in [&MoreSources::new(), &more] {
                let policy = of_components(flow, &origin(met), "once", more, &["'self'".into()]);
                assert_eq!(policy, there(flow, met, socket, more));
            }
        }
    }
}
