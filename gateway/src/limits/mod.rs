//! Rate limits per address, caller and organisation, as the route table names them.
//!
//! Strict limits (log-in, SMS, AI, money) ask Redis at every call. The others lease permits in batches: one unit of a
//! coarser limit buys a batch, so that a call costs a map look-up and the overshoot is at most one batch per process
//! (decisions.md 15). Redis keys hold a keyed hash of the subject, never an address or an id.

mod leases;
mod standing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::Pool;
use service_http::limits::{Decision, Limit, RateLimiter};

use crate::routes::LimitPolicy;
use leases::{Leases, Rest, Taken};
pub use standing::Standing;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The limit that refused.
    pub policy: String,
    /// Its calls per window, as they hold in this environment.
    pub calls: u32,
    /// Its window in seconds.
    pub window_seconds: u32,
    /// Whole seconds until the next call is allowed, at least 1.
    pub retry_after: u64,
}

impl Denied {
    /// `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers).
    pub fn headers(&self) -> [(&'static str, String); 2] {
        [
            (
                "RateLimit-Policy",
                format!(
                    "\"{}\";q={};w={}",
                    self.policy, self.calls, self.window_seconds
                ),
            ),
            (
                "RateLimit",
                format!("\"{}\";r=0;t={}", self.policy, self.retry_after),
            ),
        ]
    }
}

/// Counts calls. Cheap to clone; all clones share counters and leases.
#[derive(Clone)]
pub struct Limits {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    limiter: RateLimiter,
    leases: Leases,
    factor: u32,
    divisor: u32,
    key: [u8; 32],
}

impl Limits {
    /// Limits `factor` times as wide as the table says; leases are one `divisor`th of a limit.
    pub fn new(
        redis: Option<Pool>,
        prefix: &str,
        factor: u32,
        divisor: u32,
        key: [u8; 32],
    ) -> Self {
        let inner = Inner {
            limiter: RateLimiter::new(redis, prefix),
            leases: Leases::default(),
            factor: factor.max(1),
            divisor: divisor.max(1),
            key,
        };
        Self {
            inner: Some(Arc::new(inner)),
        }
    }

    /// No limits at all.
    pub fn off() -> Self {
        Self { inner: None }
    }

    /// Takes one call from the subject's budget and says what is left of it; `None` when nothing is counted.
    ///
    /// # Errors
    /// [`Denied`] when it is spent.
    pub async fn check(
        &self,
        policy: &Arc<LimitPolicy>,
        subject: &[u8],
    ) -> Result<Option<Standing>, Denied> {
        let Some(inner) = &self.inner else {
            return Ok(None);
        };
        if policy.strict {
            // Boxed here and below: rare beside the calls that find a permit at hand, and large.
            let (left, back) = Box::pin(inner.ask(policy, subject, 1)).await?;
            return Ok(Some(inner.standing(policy, left, back)));
        }
        let batch = inner.batch(policy);
        match inner.leases.take(policy, subject, batch, Instant::now()) {
            Taken::Yes(rest) => Ok(Some(inner.leased(policy, batch, rest))),
            Taken::YesAndLow(debt, rest) => {
                let standing = inner.leased(policy, batch, rest);
                let inner = Arc::clone(inner);
                let (policy, subject) = (Arc::clone(policy), subject.to_vec());
                actix_web::rt::spawn(async move {
                    let answer = inner.buy(&policy, &subject, batch, debt).await;
                    let now = Instant::now();
                    inner.leases.put(&policy, &subject, batch, &answer, now);
                });
                Ok(Some(standing))
            }
            Taken::No(wait) => Err(inner.denied(policy, wait)),
            Taken::Ask(debt) => {
                let answer = Box::pin(inner.buy(policy, subject, batch, debt)).await;
                let now = Instant::now();
                let taken = inner
                    .leases
                    .put_and_take(policy, subject, batch, &answer, now);
                match (taken, answer) {
                    (Some(rest), _) => Ok(Some(inner.leased(policy, batch, rest))),
                    (None, Err(denied)) => Err(denied),
                    // A purchase that succeeded always gives its permit.
                    (None, Ok(_)) => Ok(None),
                }
            }
        }
    }
}

impl Inner {
    fn calls(&self, policy: &LimitPolicy) -> u32 {
        policy.calls.saturating_mul(self.factor)
    }

    fn batch(&self, policy: &LimitPolicy) -> u32 {
        (self.calls(policy) / self.divisor).max(1)
    }

    fn standing(&self, policy: &Arc<LimitPolicy>, left: u32, back: Duration) -> Standing {
        Standing::new(policy, self.calls(policy), left, back)
    }

    /// What a lease says is left. Before its first purchase nobody was asked: the whole limit less what was used here.
    fn leased(&self, policy: &Arc<LimitPolicy>, batch: u32, rest: Rest) -> Standing {
        let beyond = rest
            .beyond
            .unwrap_or_else(|| self.calls(policy).saturating_sub(batch));
        self.standing(policy, beyond.saturating_add(rest.permits), rest.lapses)
    }

    /// Pays what was granted on credit, then buys `batch` calls. Says how many are left behind them.
    async fn buy(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
        debt: u32,
    ) -> Result<u32, Denied> {
        for _ in 0..debt {
            self.ask(policy, subject, batch).await?;
        }
        let (left, _) = self.ask(policy, subject, batch).await?;
        Ok(left)
    }

    /// Takes `batch` calls from the budget. Says how many are left, and when all of them are back.
    async fn ask(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
    ) -> Result<(u32, Duration), Denied> {
        let units = (self.calls(policy) / batch).max(1);
        let limit = Limit::new(units, Duration::from_secs(policy.window_seconds.into()));
        let key = format!("{}:{batch}:{}", policy.name, self.hashed(subject));
        let decision: Decision = self.limiter.check(&key, limit).await;
        if decision.allowed {
            Ok((decision.remaining.saturating_mul(batch), decision.wait))
        } else {
            Err(self.denied(policy, decision.wait))
        }
    }

    fn denied(&self, policy: &LimitPolicy, wait: Duration) -> Denied {
        let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        Denied {
            policy: policy.name.clone(),
            calls: self.calls(policy),
            window_seconds: policy.window_seconds,
            retry_after: seconds.max(1),
        }
    }

    fn hashed(&self, subject: &[u8]) -> String {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(subject);
        hex::encode(&mac.finalize().into_bytes()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::LimitBy;
    use actix_web::http::header::HeaderMap;

    fn policy(calls: u32, strict: bool) -> Arc<LimitPolicy> {
        Arc::new(LimitPolicy {
            name: "test".into(),
            calls,
            window_seconds: 3600,
            by: LimitBy::Ip,
            strict,
            shown: std::sync::OnceLock::new(),
        })
    }

    async fn allowed(
        limits: &Limits,
        policy: &Arc<LimitPolicy>,
        subject: &[u8],
        tries: u32,
    ) -> u32 {
        let mut count = 0;
        for _ in 0..tries {
            count += u32::from(limits.check(policy, subject).await.is_ok());
            tokio::task::yield_now().await;
        }
        count
    }

    #[actix_web::test]
    async fn a_strict_limit_is_exact() {
        let limits = Limits::new(None, "t:", 1, 20, [7; 32]);
        let policy = policy(5, true);
        assert_eq!(allowed(&limits, &policy, b"a", 20).await, 5);
        assert_eq!(allowed(&limits, &policy, b"b", 20).await, 5);
        let denied = limits.check(&policy, b"a").await.unwrap_err();
        assert!((700..=720).contains(&denied.retry_after), "{denied:?}");
        assert_eq!(denied.headers()[0].1, "\"test\";q=5;w=3600");
    }

    #[actix_web::test]
    async fn leased_permits_add_up_to_the_limit() {
        let limits = Limits::new(None, "t:", 1, 20, [7; 32]);
        let policy = policy(100, false);
        assert_eq!(allowed(&limits, &policy, b"a", 300).await, 100);
        assert!(limits.check(&policy, b"a").await.is_err());
        assert_eq!(allowed(&limits, &policy, b"b", 50).await, 50);
    }

    #[actix_web::test]
    async fn development_is_wider_by_its_factor() {
        let limits = Limits::new(None, "t:", 100, 20, [7; 32]);
        assert_eq!(allowed(&limits, &policy(5, true), b"a", 600).await, 500);
        assert_eq!(
            allowed(&Limits::off(), &policy(1, true), b"a", 50).await,
            50
        );
    }

    #[actix_web::test]
    async fn an_admitted_call_is_told_what_is_left() {
        let limits = Limits::new(None, "t:", 1, 20, [7; 32]);
        let told = async |policy: &Arc<LimitPolicy>| {
            let standing = limits.check(policy, b"a").await.unwrap().unwrap();
            let mut headers = HeaderMap::new();
            standing.write(&mut headers);
            let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
            (text("ratelimit-policy"), text("ratelimit"))
        };
        let strict = policy(5, true);
        let (shown, left) = told(&strict).await;
        assert_eq!(shown, "\"test\";q=5;w=3600");
        assert_eq!(
            left, "\"test\";r=4;t=720",
            "one call comes back every 720 s"
        );
        let leased = policy(100, false);
        for used in 1..=3 {
            let (shown, left) = told(&leased).await;
            assert_eq!(shown, "\"test\";q=100;w=3600");
            let expected = format!("\"test\";r={};t=3600", 100 - used);
            assert_eq!(left, expected, "on credit");
        }
        // The purchase at the low mark counts in whole batches of five.
        for _ in 4..=60 {
            limits.check(&leased, b"a").await.unwrap();
            tokio::task::yield_now().await;
        }
        let (_, left) = told(&leased).await;
        let left: u32 = left.split(['=', ';']).nth(2).unwrap().parse().unwrap();
        assert!((34..=39).contains(&left), "{left} of 39");
    }

    #[test]
    fn keys_hold_no_address() {
        let limits = Limits::new(None, "t:", 1, 20, [7; 32]);
        let hashed = limits.inner.unwrap().hashed(b"203.0.113.9");
        assert_eq!(hashed.len(), 32);
        assert!(!hashed.contains("203"));
    }
}
