//! Rate limits: GCRA in Redis by the server's clock, one round trip for all limits of a request.
//!
//! When Redis does not answer within a quarter of a second the same limit holds in this process
//! alone: never open, at most once more generous per process (Q-G5).

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_redis::{Pool, redis::Script};
use parking_lot::Mutex;

use crate::error::ApiError;

const REDIS_TIMEOUT: Duration = Duration::from_millis(250);
/// How long Redis is left alone after it failed.
const REDIS_REST_MS: i64 = 1_000;
const LOCAL_KEYS: usize = 100_000;

/// For each key: ARGV emission interval and tolerance in microseconds. Checks all, then takes one
/// from each; denied requests take nothing.
const GCRA: &str = r"
local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]
local new = {}
local worst, remaining, reset = 1, nil, 0
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i - 1]); local tolerance = tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', key) or now); if tat < now then tat = now end
  local next = tat + interval
  local allow_at = next - tolerance - interval
  if allow_at > now then return {0, i, 0, math.ceil((allow_at - now) / 1000)} end
  new[i] = next
  local left = math.floor((tolerance + interval - (next - now)) / interval)
  if remaining == nil or left < remaining then worst = i; remaining = left; reset = math.ceil((next - now) / 1000) end
end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', new[i]), 'PX', math.ceil((new[i] - now) / 1000) + 1)
end
return {1, worst, remaining or 0, reset}
";

/// So many in that time: a burst of `count`, refilled evenly over `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many at once.
    pub count: u32,
    /// In how long `count` come back.
    pub per: Duration,
}

impl Limit {
    /// `count` (at least 1) per `per` (at least a microsecond each).
    pub const fn new(count: u32, per: Duration) -> Self {
        Self {
            count: if count == 0 { 1 } else { count },
            per,
        }
    }

    /// `count` per second.
    pub const fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// `count` per minute.
    pub const fn per_minute(count: u32) -> Self {
        Self::new(count, Duration::from_secs(60))
    }

    /// `count` per hour.
    pub const fn per_hour(count: u32) -> Self {
        Self::new(count, Duration::from_secs(3600))
    }

    /// The same limit, `factor` times wider (development widens budgets, decision 13).
    pub const fn widened(self, factor: u32) -> Self {
        Self::new(self.count.saturating_mul(factor), self.per)
    }

    fn interval_us(self) -> i64 {
        let micros = self.per.as_micros() / u128::from(self.count);
        i64::try_from(micros).unwrap_or(i64::MAX / 4).max(1)
    }

    fn tolerance_us(self) -> i64 {
        self.interval_us().saturating_mul(i64::from(self.count) - 1)
    }
}

/// What the limiter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The limit that decided: the one that refused, or the tightest.
    pub limit: Limit,
    /// How many more would be allowed now.
    pub remaining: u32,
    /// Time until the next is allowed (refused) or until the whole budget is back (allowed).
    pub wait: Duration,
}

impl Decision {
    /// `RateLimit-Policy` and `RateLimit` (IETF draft-ietf-httpapi-ratelimit-headers).
    pub fn headers(&self) -> [(&'static str, String); 2] {
        let seconds = self.wait.as_millis().div_ceil(1000);
        [
            (
                "RateLimit-Policy",
                format!(
                    "\"default\";q={};w={}",
                    self.limit.count,
                    self.limit.per.as_secs().max(1)
                ),
            ),
            (
                "RateLimit",
                format!("\"default\";r={};t={seconds}", self.remaining),
            ),
        ]
    }

    /// `Ok` when allowed.
    ///
    /// # Errors
    /// 429 with `Retry-After` and the RateLimit headers.
    pub fn into_result(self) -> Result<Self, ApiError> {
        if self.allowed {
            return Ok(self);
        }
        let seconds = u64::try_from(self.wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        let error = ApiError::too_many(seconds);
        Err(self
            .headers()
            .into_iter()
            .fold(error, |error, (name, value)| error.header(name, value)))
    }
}

/// Counts requests, shared by all processes of the platform.
#[derive(Clone)]
pub struct RateLimiter {
    inner: Arc<Inner>,
}

struct Inner {
    redis: Option<Pool>,
    prefix: String,
    script: Script,
    started: Instant,
    redis_rests_until_ms: AtomicI64,
    local: Mutex<HashMap<String, i64>>,
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RateLimiter")
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl RateLimiter {
    /// A limiter whose keys begin with `prefix`; without Redis it counts in this process alone.
    pub fn new(redis: Option<Pool>, prefix: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner {
                redis,
                prefix: prefix.into(),
                script: Script::new(GCRA),
                started: Instant::now(),
                redis_rests_until_ms: AtomicI64::new(0),
                local: Mutex::new(HashMap::new()),
            }),
        }
    }

    /// Takes one from the budget of `key`. Keys must hold no personal data in clear: hash it.
    pub async fn check(&self, key: &str, limit: Limit) -> Decision {
        self.check_all(&[(key, limit)]).await
    }

    /// Takes one from each budget, or from none when one of them is spent.
    ///
    /// An empty list is always allowed.
    pub async fn check_all(&self, limits: &[(&str, Limit)]) -> Decision {
        let Some((_, first)) = limits.first() else {
            let limit = Limit::per_second(u32::MAX);
            return Decision {
                allowed: true,
                limit,
                remaining: u32::MAX,
                wait: Duration::ZERO,
            };
        };
        match self.ask_redis(limits).await {
            Some([allowed, index, remaining, wait_ms]) => {
                let index = usize::try_from(index - 1).unwrap_or(0);
                Decision {
                    allowed: allowed == 1,
                    limit: limits.get(index).map_or(*first, |(_, limit)| *limit),
                    remaining: u32::try_from(remaining.max(0)).unwrap_or(u32::MAX),
                    wait: Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)),
                }
            }
            None => self.count_locally(limits, *first),
        }
    }

    async fn ask_redis(&self, limits: &[(&str, Limit)]) -> Option<[i64; 4]> {
        let pool = self.inner.redis.as_ref()?;
        let now_ms = self.now_us() / 1000;
        if now_ms < self.inner.redis_rests_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let mut call = self.inner.script.prepare_invoke();
        for (key, limit) in limits {
            call.key(format!("{}limit:{key}", self.inner.prefix));
            call.arg(limit.interval_us()).arg(limit.tolerance_us());
        }
        let asked = tokio::time::timeout(REDIS_TIMEOUT, async {
            let mut connection = pool.get().await?;
            anyhow::Ok(
                call.invoke_async::<(i64, i64, i64, i64)>(&mut connection)
                    .await?,
            )
        })
        .await;
        match asked {
            Ok(Ok((allowed, index, remaining, wait_ms))) => {
                Some([allowed, index, remaining, wait_ms])
            }
            failed => {
                metrics::counter!("rate_limiter_fallback_total").increment(1);
                let reason = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "timeout".to_owned(),
                };
                tracing::warn!(%reason, "rate limiter counts in this process: redis does not answer");
                self.inner
                    .redis_rests_until_ms
                    .store(now_ms + REDIS_REST_MS, Ordering::Relaxed);
                None
            }
        }
    }

    fn count_locally(&self, limits: &[(&str, Limit)], first: Limit) -> Decision {
        let now = self.now_us();
        let mut local = self.inner.local.lock();
        if local.len() > LOCAL_KEYS {
            local.retain(|_, arrival| *arrival > now);
        }
        let mut taken = Vec::with_capacity(limits.len());
        let mut decision = Decision {
            allowed: true,
            limit: first,
            remaining: u32::MAX,
            wait: Duration::ZERO,
        };
        for (key, limit) in limits {
            let arrival = local.get(*key).copied().unwrap_or(now).max(now);
            let next = arrival.saturating_add(limit.interval_us());
            let budget = limit.tolerance_us() + limit.interval_us();
            if next - budget > now {
                return Decision {
                    allowed: false,
                    limit: *limit,
                    remaining: 0,
                    wait: Duration::from_micros(u64::try_from(next - budget - now).unwrap_or(0)),
                };
            }
            let remaining =
                u32::try_from((budget - (next - now)) / limit.interval_us()).unwrap_or(0);
            if remaining < decision.remaining {
                let wait = Duration::from_micros(u64::try_from(next - now).unwrap_or(0));
                decision = Decision {
                    allowed: true,
                    limit: *limit,
                    remaining,
                    wait,
                };
            }
            taken.push(((*key).to_owned(), next));
        }
        local.extend(taken);
        decision
    }

    fn now_us(&self) -> i64 {
        i64::try_from(self.inner.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_redis_a_burst_is_counted_in_the_process() {
        let limiter = RateLimiter::new(None, "t:");
        let limit = Limit::per_hour(3);
        for left in [2, 1, 0] {
            let decision = limiter.check("a", limit).await;
            assert!(decision.allowed);
            assert_eq!(decision.remaining, left);
        }
        let refused = limiter.check("a", limit).await;
        assert!(!refused.allowed);
        assert!(
            refused.wait > Duration::from_secs(1190) && refused.wait <= Duration::from_secs(1200)
        );
        assert!(limiter.check("b", limit).await.allowed);
    }

    #[tokio::test]
    async fn a_refused_request_takes_nothing_from_the_other_budgets() {
        let limiter = RateLimiter::new(None, "t:");
        let (one, ten) = (Limit::per_hour(1), Limit::per_hour(10));
        assert!(limiter.check_all(&[("x", one), ("y", ten)]).await.allowed);
        for _ in 0..5 {
            assert!(!limiter.check_all(&[("y", ten), ("x", one)]).await.allowed);
        }
        assert_eq!(limiter.check("y", ten).await.remaining, 8);
    }

    #[test]
    fn a_refusal_tells_when_to_come_back() {
        let decision = Decision {
            allowed: false,
            limit: Limit::per_minute(5),
            remaining: 0,
            wait: Duration::from_millis(1_200),
        };
        let error = decision.into_result().unwrap_err();
        let response = error.render(common_types::Language::En, None);
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
        assert_eq!(
            response.headers().get("ratelimit-policy").unwrap(),
            "\"default\";q=5;w=60"
        );
        assert_eq!(
            response.headers().get("ratelimit").unwrap(),
            "\"default\";r=0;t=2"
        );
    }
}
