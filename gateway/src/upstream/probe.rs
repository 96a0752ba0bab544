//! Active health: `/health/ready` of every instance, on a timer, apart from the calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Upstreams;
use super::breaker::BreakerState;
use super::instance::{Instance, Service};

/// Asks every instance until the token is cancelled.
pub async fn run(upstreams: Arc<Upstreams>, every: Duration, stop: CancellationToken) {
    let timeout = every.min(Duration::from_secs(2));
    let Ok(client) = reqwest::Client::builder()
        .timeout(timeout)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
    else {
        tracing::error!("no HTTP client for probes: every instance counts as ready");
        return;
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => round(&upstreams, &client).await,
        }
    }
}

async fn round(upstreams: &Upstreams, client: &reqwest::Client) {
    let mut probes = JoinSet::new();
    for service in upstreams.services() {
        for instance in &service.instances {
            probes.spawn(ask(service.name, Arc::clone(instance), client.clone()));
        }
    }
    while probes.join_next().await.is_some() {}
    for service in upstreams.services() {
        tell(service);
    }
}

/// Gauges for alerts, at the pace of the probes so that calls pay nothing for them.
fn tell(service: &Service) {
    let name = service.name;
    metrics::gauge!("gateway_in_flight", "service" => name)
        .set(service.in_flight.load(Ordering::Relaxed) as f64);
    for instance in &service.instances {
        let open = instance.breaker.state() != BreakerState::Closed;
        metrics::gauge!("gateway_breaker_open", "service" => name, "instance" => instance.authority.clone())
            .set(f64::from(u8::from(open)));
    }
}

async fn ask(service: &'static str, instance: Arc<Instance>, client: reqwest::Client) {
    let url = format!("http://{}/health/ready", instance.authority);
    let ready = client
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success());
    if instance.ready.swap(ready, Ordering::Relaxed) != ready {
        tracing::info!(service, instance = %instance.authority, ready, "readiness changed");
    }
    metrics::gauge!("gateway_instance_ready", "service" => service, "instance" => instance.authority.clone())
        .set(if ready { 1.0 } else { 0.0 });
}
