//! What operators ask, on a listener of its own: what is counted, and whether we are well. Visitors do not reach it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use tower_http::timeout::TimeoutLayer;

use super::health;
use crate::app::App;
use crate::metrics::scrape::{MEDIA_TYPE, Now, Scrape};

/// How long the store may take to say something for a scrape. What it has not said by then is left out.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the store is asked for the budgets, however often somebody scrapes.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The longest that anybody waits for an answer.
const LONGEST: Duration = Duration::from_secs(5);

/// The budgets, and when they were asked for.
type Budgets = Mutex<Option<(Instant, [Option<u32>; 2])>>;

#[derive(Clone)]
struct Observed {
    app: App,
    scrape: Scrape,
    probes: Router,
    budgets: Arc<Budgets>,
}

/// `/metrics`, `/healthz` and `/readyz`; 404 for everything else.
pub fn router(app: App, scrape: Scrape) -> Router {
    let probes = Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready));
    let probes = probes.with_state(app.clone());
    let observed = Observed { app, scrape, probes: probes.clone(), budgets: Arc::default() };
    let metrics = Router::new().route("/metrics", get(show)).with_state(observed);
    let limit = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONGEST);
    metrics.merge(probes).layer(limit)
}

async fn show(State(observed): State<Observed>) -> impl IntoResponse {
    let (ready, [logins, access_tokens]) = tokio::join!(observed.is_ready(), observed.budgets());
    let text = observed.scrape.text(Now { ready, logins, access_tokens }, observed.app.clock.now());
    ([(CONTENT_TYPE, MEDIA_TYPE)], text)
}

impl Observed {
    /// What `/readyz` says; no, when it does not say it in time.
    async fn is_ready(&self) -> bool {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static("/readyz");
        let answer = timeout(PATIENCE, self.probes.clone().oneshot(request)).await;
        matches!(answer, Ok(Ok(response)) if response.status().is_success())
    }

    /// How many logins and access tokens are left in this minute, as far as they are had and it is known.
    async fn budgets(&self) -> [Option<u32>; 2] {
        let mut kept = self.budgets.lock().await; // whoever comes meanwhile waits, and finds them
        if let Some((asked, budgets)) = *kept
            && asked.elapsed() < ASK_EVERY
        {
            return budgets;
        }
        let asked = Instant::now();
        let budgets = tokio::join!(self.logins(), self.access_tokens()).into();
        *kept = Some((asked, budgets));
        budgets
    }

    async fn logins(&self) -> Option<u32> {
        let app = &self.app;
        // Without a page that is passed on, nobody logs in.
        if app.tokens.is_none() || !app.pages.use_proxy() {
            return None;
        }
        let budget = timeout(PATIENCE, app.tenant_sessions.budget(app.clock.now())).await;
        Some(budget.ok()?.ok()?.left())
    }

    async fn access_tokens(&self) -> Option<u32> {
        let tokens = self.app.access_tokens.as_ref()?;
        let budget = timeout(PATIENCE, tokens.budget(self.app.clock.now())).await;
        Some(budget.ok()?.ok()?.left())
    }
}
