//! Where visitors want to go, kept on the server until they have signed in.
//!
//! A browser restores many tabs at once, and each is sent to the same `/login`: which of them comes back from there, nobody
//! can tell. So what they wanted is kept as a list, and every tab that gets further takes one of it. Two tabs may come to
//! each other's page; none is lost.

use axum::http::Uri;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session};

use super::error::Error;

/// The entry of a session.
const ENTRY: &str = "ways_back";
/// How long a way back is kept.
const KEPT: Duration = Duration::minutes(15);
/// How many are kept; then the oldest is forgotten.
const MOST: usize = 8;

/// The ways back of one browser: the next to take first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WaysBack(Vec<WayBack>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WayBack {
    path: String,
    #[serde(with = "time::serde::timestamp")]
    until: OffsetDateTime,
}

impl WaysBack {
    /// Those that are not too old.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(session: &Session, now: OffsetDateTime) -> Result<Self, Error> {
        let Some(entry) = session.get_value(ENTRY).await? else { return Ok(Self::default()) };
        let mut ways = serde_json::from_value::<Self>(entry).unwrap_or_default(); // of another version
        ways.0.retain(|way| now < way.until);
        Ok(ways)
    }

    /// Writes them down. The session's end is for the caller to set.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn save(&self, session: &Session) -> Result<(), Error> {
        if self.is_empty() {
            session.remove_value(ENTRY).await?;
        } else {
            session.insert(ENTRY, self).await?;
        }
        Ok(())
    }

    /// Whether nobody waits to get anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next way; it is no longer kept. Without one, to the start page.
    pub fn take(&mut self) -> ReturnPath {
        if self.is_empty() { ReturnPath::default() } else { parsed(&self.0.remove(0)) }
    }

    /// Somebody got there.
    pub fn forget(&mut self, path: &ReturnPath) {
        self.0.retain(|way| way.path != path.as_str());
    }

    fn add(&mut self, path: &ReturnPath, now: OffsetDateTime) {
        self.forget(path);
        self.0.insert(0, WayBack { path: path.as_str().to_owned(), until: now + KEPT });
        self.0.truncate(MOST);
    }

    /// The next way, which is now the last.
    fn lend(&mut self) -> ReturnPath {
        if self.is_empty() {
            return ReturnPath::default();
        }
        self.0.rotate_left(1);
        self.0.last().map(parsed).unwrap_or_default()
    }
}

fn parsed(way: &WayBack) -> ReturnPath {
    ReturnPath::parse(&way.path).unwrap_or_default()
}

/// Keeps where somebody who has not signed in wants to go.
///
/// # Errors
/// When the store does not answer.
pub async fn keep(session: &Session, path: &ReturnPath, now: OffsetDateTime) -> Result<(), Error> {
    let mut ways = WaysBack::of(session, now).await?;
    ways.add(path, now);
    ways.save(session).await?;
    session.set_expiry(Some(Expiry::AtDateTime(now + KEPT)));
    Ok(())
}

/// Where a tab that leaves to sign in wants to go, as far as that can be known: the way that was kept last, and then each
/// of the others in turn. It stays kept until the tab is back: who turns back on the way and begins again gets there too.
///
/// # Errors
/// When the store does not answer.
pub async fn lend(session: &Session, now: OffsetDateTime) -> Result<ReturnPath, Error> {
    let mut ways = WaysBack::of(session, now).await?;
    let path = ways.lend();
    if ways.0.len() > 1 {
        ways.save(session).await?;
        session.set_expiry(Some(Expiry::AtDateTime(now + KEPT)));
    }
    Ok(path)
}

/// A path on this server, to return to after signing in. Anything that a browser could read as another place is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

impl Default for ReturnPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ReturnPath {
    /// The longest path that is kept, in bytes.
    const LONGEST: usize = 1024;

    /// The path of a request.
    pub fn of(uri: &Uri) -> Option<Self> {
        Self::parse(uri.path_and_query()?.as_str())
    }

    /// `None` for everything but a path of ours: browsers treat `\` as `/`, ignore tabs and line breaks, and read `//x`
    /// as another host.
    pub fn parse(text: &str) -> Option<Self> {
        let local = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/login");
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (local && plain && text.len() <= Self::LONGEST).then(|| Self(text.to_owned()))
    }

    /// The path, with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ReturnPath {
        ReturnPath::parse(text).expect("a path")
    }

    #[test]
    fn each_way_is_taken_once_and_none_is_kept_twice() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut ways = WaysBack::default();
        for text in ["/embed/a", "/embed/b", "/embed/c", "/embed/a"] {
            ways.add(&path(text), now);
        }
        assert_eq!([ways.lend(), ways.lend()], [path("/embed/a"), path("/embed/c")]);
        // Tabs that are on their way come back with their own; the next one is for whoever has not left yet.
        assert_eq!(ways.clone().take(), path("/embed/b"));
        ways.forget(&path("/embed/c"));
        let rest: Vec<_> = (0..3).map(|_| ways.take()).collect();
        assert_eq!(rest, [path("/embed/b"), path("/embed/a"), ReturnPath::default()]);
        assert_eq!(ways.lend(), ReturnPath::default());

        for number in 0..20 {
            ways.add(&path(&format!("/embed/{number}")), now);
        }
        assert_eq!((ways.0.len(), ways.take()), (MOST, path("/embed/19")));
    }

    #[test]
    fn only_paths_of_ours_are_ways_back() {
        for good in ["/", "/embed/default", "/embed/sales?select=a%20b", "/embed/%2F%2Fevil.example"] {
            assert_eq!(ReturnPath::parse(good).as_ref().map(ReturnPath::as_str), Some(good));
        }
        let long = format!("/{}", "x".repeat(ReturnPath::LONGEST));
        for bad in [
            "",
            "embed",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/login",
            "/login?x",
            "/ä",
            &long,
        ] {
            assert_eq!(ReturnPath::parse(bad), None, "{bad}");
        }
    }
}
