//! Visitors who do not stop: what became of each of their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::visitor::{Answer, Visitor};

pub struct Load {
    stop: Arc<AtomicBool>,
    visitors: JoinSet<Vec<(&'static str, Answer)>>,
}

/// What each of them does, over and over.
const ROUND: [&str; 5] = ["/embed/default", "/session", "/api/v1/users/me", "/token", "/api/v1/users/me"];

impl Load {
    /// Each of these visitors, one request after the other.
    pub fn of(visitors: &[Visitor]) -> Self {
        Self::on(visitors, &ROUND)
    }

    /// The same, with requests for these paths.
    pub fn on(visitors: &[Visitor], paths: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut set = JoinSet::new();
        for visitor in visitors.iter() {
            let (stop, visitor) = (Arc::clone(&stop), visitor.clone());
            set.spawn(async move {
                let mut answers = Vec::new();
                for path in paths.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut answer = visitor.get(path).await;
                    answer.body.truncate(200);
                    answers.push((*path, answer));
                }
                answers
            });
        }
        Self { stop, visitors: set }
    }

    /// Everything that was answered.
    pub async fn end(self) -> Vec<(&'static str, Answer)> {
        self.stop.store(true, Ordering::Relaxed);
        self.visitors.join_all().await.into_iter().flatten().collect()
    }
}

/// Asserts that all was good, and that there was something.
pub fn assert_all_good(answers: &[(&'static str, Answer)], least: usize) {
    let bad: Vec<_> = answers.iter().filter(|(_, answer)| answer.status != 200).collect();
    assert!(bad.is_empty(), "{} of {} failed, such as {:?}", bad.len(), answers.len(), bad.first());
    assert!(answers.len() >= least, "only {} requests", answers.len());
}
