//! The proxy of the network that we are in, by the variables that other programs read too.

use url::Url;

use super::reader::{Reader, line};
use crate::client::way_out::WayOut;

const PROXY: &str = "write the proxy's address, such as http://proxy.example:3128, or leave it out";
const STRAIGHT: &str = "list hosts that are reached without the proxy, such as .example.com,10.0.0.0/8";

/// `None` after a problem.
pub(super) fn read(reader: &mut Reader) -> Option<WayOut> {
    let mut is_good = true;
    let mut proxy = |name| {
        let proxy = reader.shared(name, PROXY, parse, without_credentials);
        is_good &= proxy.is_some() || !reader.is_set(name);
        proxy
    };
    let (https, http) = (proxy("HTTPS_PROXY"), proxy("HTTP_PROXY"));
    let all = if https.is_none() || http.is_none() { proxy("ALL_PROXY") } else { None };
    let straight = reader.shared("NO_PROXY", STRAIGHT, line, String::clone);
    is_good &= straight.is_some() || !reader.is_set("NO_PROXY");
    is_good
        .then(|| WayOut::through(https.or_else(|| all.clone()), http.or(all), straight.as_deref().unwrap_or_default()))
}

/// Without a scheme, it is http, as curl has it.
fn parse(text: &str) -> Result<Url, &'static str> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    match url {
        Ok(url) if url.scheme() != "http" => {
            Err("names a proxy that is not reached by http://, which is not supported")
        }
        Ok(url) => Ok(url),
        Err(_) => Err("is not the address of a proxy"),
    }
}

fn without_credentials(proxy: &Url) -> String {
    let origin = proxy.origin().ascii_serialization();
    let has_credentials = !proxy.username().is_empty() || proxy.password().is_some();
    if has_credentials { format!("{origin} (user name and password not shown)") } else { origin }
}
