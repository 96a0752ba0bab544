use std::time::Duration;

use deadpool_redis::{Config, Runtime};
use service_http::{Limit, RateLimiter};
use service_testing::{LinkProxy, Prefix, redis_url};

fn limiter(url: &str, prefix: &Prefix) -> RateLimiter {
    let pool = Config::from_url(url)
        .create_pool(Some(Runtime::Tokio1))
        .unwrap();
    RateLimiter::new(Some(pool), format!("{}:", prefix.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a2_two_processes_share_one_budget() {
    let prefix = Prefix::new();
    let (one, two) = (
        limiter(&redis_url(), &prefix),
        limiter(&redis_url(), &prefix),
    );
    let limit = Limit::per_hour(4);
    for (limiter, left) in [(&one, 3), (&two, 2), (&one, 1), (&two, 0)] {
        let decision = limiter.check("a", limit).await;
        assert!(decision.allowed);
        assert_eq!(decision.remaining, left);
    }
    let refused = one.check("a", limit).await;
    assert!(!refused.allowed);
    assert!(
        refused.wait > Duration::from_secs(890) && refused.wait <= Duration::from_secs(900),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a2_parallel_requests_do_not_pass_a_budget_together() {
    let limiter = limiter(&redis_url(), &Prefix::new());
    let limits = [
        ("phone", Limit::per_hour(5)),
        ("address", Limit::per_hour(50)),
    ];
    let asked = futures_util::future::join_all((0..60).map(|_| limiter.check_all(&limits))).await;
    assert_eq!(asked.iter().filter(|decision| decision.allowed).count(), 5);
    assert_eq!(
        limiter
            .check("address", Limit::per_hour(50))
            .await
            .remaining,
        44,
        "refused ones took nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a2_a_budget_comes_back_evenly() {
    let limiter = limiter(&redis_url(), &Prefix::new());
    let limit = Limit::new(2, Duration::from_secs(2));
    assert!(limiter.check("a", limit).await.allowed);
    assert!(limiter.check("a", limit).await.allowed);
    let wait = limiter.check("a", limit).await.wait;
    assert!(wait <= Duration::from_secs(1));
    tokio::time::sleep(wait + Duration::from_millis(20)).await;
    assert!(limiter.check("a", limit).await.allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_g5_without_redis_the_limit_still_holds() {
    let url = redis_url();
    let target = url
        .trim_start_matches("redis://")
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let proxy = LinkProxy::to(target).await;
    let limiter = limiter(&format!("redis://{}/0", proxy.address()), &Prefix::new());
    let limit = Limit::per_hour(3);
    assert!(limiter.check("a", limit).await.allowed);
    proxy.close();
    proxy.cut();
    let mut allowed = 0;
    for _ in 0..10 {
        allowed += u32::from(limiter.check("a", limit).await.allowed);
    }
    assert_eq!(allowed, 3, "at most once more generous");
}
