//! Tokens for a server: signed off the async threads, with a key that can be exchanged while it serves.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};

use time::OffsetDateTime;

use super::signers::Signers;
use super::{Error, Settings, Token, WAITING};
use crate::identity::Subject;

/// Issues tokens for a server: bounded, off the async threads, in the order of asking. Clones share it.
#[derive(Debug, Clone)]
pub struct Issuer(Arc<RwLock<Arc<Current>>>);

/// Key, issuer and key id belong together, and are exchanged together.
type Current = (Settings, Signers);

impl Issuer {
    /// An issuer that leaves one core to everything else.
    pub fn new(settings: Settings) -> io::Result<Self> {
        Ok(Self(Arc::new(RwLock::new(start(settings)?))))
    }

    /// A new token for the subject. Dropping the future gives its place in the queue to another.
    pub async fn issue(&self, subject: &Subject, now: OffsetDateTime) -> Result<Token, Error> {
        let current = self.current();
        let (settings, signers) = &*current;
        let token = signers.sign(settings.signing_input(subject, now)?).await?;
        Ok(Token(token.into()))
    }

    /// Issues with another key and its names from now on; for how long tokens are good stays. What waits for a signature gets it
    /// with the old one, whose threads then end.
    ///
    /// # Errors
    /// When no thread can be started. Then the old key stays.
    pub fn exchange(&self, settings: Settings) -> io::Result<()> {
        let validity = self.current().0.validity;
        let new = start(Settings { validity, ..settings })?;
        // The old one is dropped behind the lock: its threads are woken then.
        let _old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), new);
        Ok(())
    }

    /// Whether it issues with this key under these names already.
    pub fn has(&self, settings: &Settings) -> bool {
        let current = self.current();
        let (now, _) = &*current;
        (now.issuer(), now.key_id(), now.key().fingerprint())
            == (settings.issuer(), settings.key_id(), settings.key().fingerprint())
    }

    /// With what it issues.
    pub fn settings(&self) -> Settings {
        self.current().0.clone()
    }

    fn current(&self) -> Arc<Current> {
        // Nothing panics while it holds the lock.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn start(settings: Settings) -> io::Result<Arc<Current>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let signers = Signers::new(settings.key.clone(), WAITING);
    for _ in 0..cores.saturating_sub(1).max(1) {
        signers.start()?;
    }
    Ok(Arc::new((settings, signers)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::super::RETRY_AFTER;
    use super::super::tests::{NOW, ada, decoded, settings};
    use super::*;

    /// Nobody signs until somebody calls `start`.
    fn stalled(waiting: usize) -> Issuer {
        let settings = settings();
        let signers = Signers::new(settings.key.clone(), waiting);
        Issuer(Arc::new(RwLock::new(Arc::new((settings, signers)))))
    }

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_cancelled_request_leaves_it() {
        let issuer = stalled(2);
        let ada = ada();
        let mut first = pin!(issuer.issue(&ada, NOW));
        let mut second = Box::pin(issuer.issue(&ada, NOW));
        assert!(poll_once(first.as_mut()).is_pending() && poll_once(second.as_mut()).is_pending());
        let refused = issuer.issue(&ada, NOW).await;
        assert!(matches!(refused, Err(Error::Saturated { retry_after: RETRY_AFTER })), "{refused:?}");

        drop(second);
        let mut third = pin!(issuer.issue(&ada, NOW));
        assert!(poll_once(third.as_mut()).is_pending(), "took the free place");
        assert!(matches!(issuer.issue(&ada, NOW).await, Err(Error::Saturated { .. })));

        issuer.current().1.start().expect("a thread");
        assert!(first.await.is_ok() && third.await.is_ok());
        assert!(issuer.issue(&ada, NOW).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn a_request_that_is_cancelled_at_any_moment_stops_nobody() {
        let issuer = Issuer::new(settings()).expect("threads");
        let ada = ada();
        for _ in 0..2 * WAITING {
            let mut request = Box::pin(issuer.issue(&ada, NOW));
            assert!(matches!(poll_once(request.as_mut()), Poll::Pending | Poll::Ready(Ok(_))));
        }
        assert!(issuer.issue(&ada, NOW).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_burst_is_served_in_full() {
        let issuer = Issuer::new(settings()).expect("threads");
        let request = || {
            let issuer = issuer.clone();
            tokio::spawn(async move { issuer.issue(&ada(), NOW).await.map(|token| token.expose().to_owned()) })
        };
        let requests: Vec<_> = (0..64).map(|_| request()).collect();
        let mut tokens = HashSet::new();
        for request in requests {
            tokens.insert(request.await.expect("no panic").expect("a place"));
        }
        assert_eq!(tokens.len(), 64);
    }

    #[tokio::test]
    async fn another_key_is_taken_with_its_names_and_who_waits_gets_the_old_one() {
        let issuer = stalled(2);
        let ada = ada();
        let mut waiting = pin!(issuer.issue(&ada, NOW));
        assert!(poll_once(waiting.as_mut()).is_pending());
        let old = issuer.current();
        let new = Settings::new("another", "key-2", settings().key, settings().validity);
        assert!(!issuer.has(&new));
        issuer.exchange(new.clone()).expect("threads");
        assert!(issuer.has(&new));
        let (header, claims) = decoded(&issuer.issue(&ada, NOW).await.expect("a token"));
        assert_eq!((&header["kid"], &claims["iss"]), (&"key-2".into(), &"another".into()));

        old.1.start().expect("a thread");
        drop(old);
        let (header, claims) = decoded(&waiting.await.expect("a token"));
        assert_eq!((&header["kid"], &claims["iss"]), (&"key-1".into(), &"https://portal.example".into()));
    }
}
