//! Content security policies (CSP level 3). They begin at `'none'` and name the tenant only where a page needs it. Pure.

use crate::origin::Origin;

/// Pages without the tenant: no scripts at all, never in a frame.
pub const PLAIN: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                            frame-ancestors 'none'";
/// A failure may have to be shown where the page would have been: inside the portal's frame.
const FAILURE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'";

/// The policy of an embed page: our own scripts and styles, calls and sockets to the tenant, frames of the tenant.
pub fn of_embed(tenant: &Origin, frame_ancestors: &[String]) -> String {
    let socket = tenant.websocket();
    let ancestors = frame_ancestors.join(" ");
    [
        "default-src 'none'".to_owned(),
        "script-src 'self'".to_owned(),
        "style-src 'self'".to_owned(),
        "img-src 'self' data:".to_owned(),
        // users/me, jwt-session and csrf-token; the engine's socket; our own token endpoint
        format!("connect-src 'self' {tenant} {socket}"),
        format!("frame-src {tenant}"),
        "form-action 'self'".to_owned(),
        "base-uri 'none'".to_owned(),
        format!("frame-ancestors {ancestors}"),
    ]
    .join("; ")
}

/// The policy of the list of pages, whose script searches it.
pub fn of_home() -> String {
    format!("script-src 'self'; {PLAIN}")
}

/// The policy of the page after signing out, whose script ends the tenant's session too.
pub fn of_signed_out(tenant: &Origin) -> String {
    format!("script-src 'self'; connect-src {tenant}; {PLAIN}")
}

/// The policy of a page that reports a failure, framed by whoever may frame the pages.
pub fn of_failure(frame_ancestors: &[String]) -> String {
    format!("{FAILURE}; frame-ancestors {}", frame_ancestors.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(text: &str) -> Origin {
        Origin::parse(text).expect("an origin")
    }

    #[test]
    fn the_embed_page_may_reach_the_tenant_and_nothing_else() {
        assert_eq!(
            of_embed(&tenant("https://acme.eu.qlikcloud.com"), &["'self'".into(), "https://portal.example".into()]),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self' https://acme.eu.qlikcloud.com wss://acme.eu.qlikcloud.com; \
             frame-src https://acme.eu.qlikcloud.com; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'self' https://portal.example"
        );
        assert!(
            of_embed(&tenant("http://localhost:9"), &["'none'".into()])
                .contains("connect-src 'self' http://localhost:9 ws://localhost:9;")
        );
    }
}
