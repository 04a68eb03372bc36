//! Who somebody is to Qlik, and why: what `identity explain` tells.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::{Admin, Part};
use crate::app::App;
use crate::identity::{Identity, Source};
use crate::qlik::token::Issuer;
use crate::store::SessionRef;
use crate::subjects;
use crate::subjects::explanation::{Description, Explanation, Section};
use crate::web::error::{Error, Site};
use crate::web::visitor::Visit;

/// Whom to explain: somebody who is signed in, or somebody who is described.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    session: Option<String>,
    source: String,
    id: String,
    name: String,
    email: String,
    /// With commas between them.
    groups: String,
}

impl Asked {
    fn description(&self) -> Option<Description> {
        let told = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Description {
            source: Source::parse(&self.source).unwrap_or(Source::Password),
            id: told(&self.id)?,
            name: told(&self.name),
            email: told(&self.email),
            groups: self.groups.split(',').filter_map(told).collect(),
        })
    }
}

/// `GET /admin/identity`. Nothing is claimed or remembered; the tenant may be asked, as when the person signs in.
pub async fn show(State(app): State<App>, admin: Admin, Query(asked): Query<Asked>) -> Result<Html<String>, Error> {
    let (identity, problem) = match (&asked.session, asked.description()) {
        (Some(session), _) => match SessionRef::parse(session) {
            Some(session) => (Visit::of(&app, session).await?.map(|visit| visit.identity().clone()), ENDED),
            None => (None, ENDED),
        },
        (None, Some(described)) => (described.identity(Some(&app.store)).await?, NO_ACCOUNT),
        (None, None) => (None, ""),
    };
    let key = identity.as_ref().map(Identity::key);
    let (site, visitor) = admin.look_at(&app, Part::Identity, key.as_deref());
    let mut page = Page {
        site,
        visitor,
        part: Part::Identity,
        sources: sources(&asked.source),
        asked,
        problem: (identity.is_none() && !problem.is_empty()).then(|| problem.to_owned()),
        answer: None,
    };
    if let Some(identity) = identity {
        let now = app.clock.now();
        match app.subjects.foresee(&identity, now).await {
            Ok(resolution) => {
                let token = app.tokens.as_ref().map(Issuer::settings);
                let means = admin.desk.means(token.as_ref());
                page.answer = Some(Explanation::of(means, identity, resolution, now).into());
            }
            Err(subjects::Error::LookUp(problem)) => {
                page.problem = Some(format!("Qlik Cloud did not say who that is there: {problem}."));
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(Html(page.render()?))
}

const ENDED: &str = "That session has ended.";
const NO_ACCOUNT: &str =
    "There is no local account of that name. Tell an e-mail address to describe somebody who has none.";

#[derive(Template)]
#[template(path = "admin_identity.html")]
struct Page {
    site: Site,
    visitor: Option<String>,
    part: Part,
    sources: Vec<Choice>,
    asked: Asked,
    problem: Option<String>,
    answer: Option<Answer>,
}

/// A way of signing in.
struct Choice {
    word: &'static str,
    chosen: bool,
}

fn sources(chosen: &str) -> Vec<Choice> {
    Source::ALL.iter().map(|source| Choice { word: source.as_str(), chosen: source.as_str() == chosen }).collect()
}

/// What came out.
struct Answer {
    key: String,
    /// The subject.
    subject: Option<String>,
    decided_by: String,
    sections: Vec<Section>,
}

impl From<Explanation> for Answer {
    fn from(explanation: Explanation) -> Self {
        Self {
            key: explanation.identity.key(),
            sections: explanation.sections(),
            subject: explanation.result.as_ref().ok().map(|subject| subject.id.clone()),
            decided_by: explanation.decided_by,
        }
    }
}
