//! Several instances, failures, time limits, reload and stop.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gateway::upstream::instance::Load;
use serde_json::Value;

use crate::harness::{Upstream, eventually, gate, gate_with};

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_may_be_repeated_survive_a_dead_instance() {
    let upstream = Upstream::start().await;
    let peers = [nobody().await, format!("http://{}", upstream.address)];
    let gate = gate_with(&peers, &[("UPSTREAM__PROBE_INTERVAL_MS", "60000")]).await;
    let token = gate.issuer.access(|_| {});
    for index in 0..20 {
        let get = gate
            .get("/api/invoices/")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(get.status(), 200, "GET {index}");
        let keyed = gate
            .post("/api/invoices/")
            .bearer_auth(&token)
            .header("Idempotency-Key", index.to_string())
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(keyed.status(), 200, "POST with a key {index}");
    }
    assert_eq!(upstream.count(), 40, "nothing was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_post_is_not_repeated_and_the_breaker_takes_the_dead_instance_out() {
    let upstream = Upstream::start().await;
    let peers = [nobody().await, format!("http://{}", upstream.address)];
    let gate = gate_with(&peers, &[("UPSTREAM__PROBE_INTERVAL_MS", "60000")]).await;
    // Let the first probe say its word first, then forget it: only the breaker is looked at here.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for service in gate.shared().upstreams.services() {
        service.instances[0].ready.store(true, Ordering::SeqCst);
    }
    let token = gate.issuer.access(|_| {});
    let mut failed = 0;
    for _ in 0..40 {
        let answer = gate
            .post("/api/invoices/")
            .bearer_auth(&token)
            .body("{}")
            .send()
            .await
            .unwrap();
        match answer.status().as_u16() {
            200 => {}
            502 => failed += 1,
            other => panic!("{other}"),
        }
    }
    // One trial per pause may still fail on a slow machine.
    assert!((1..=8).contains(&failed), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_502_then_503_and_back_when_it_returns() {
    let reserved = Upstream::start().await;
    let address = reserved.address;
    drop(reserved);
    let gate = gate_with(
        &[format!("http://{address}")],
        &[("UPSTREAM__RETRIES", "0")],
    )
    .await;
    let token = gate.issuer.access(|_| {});
    let ask = || gate.get("/api/invoices/").bearer_auth(&token).send();
    let first = ask().await.unwrap();
    assert_eq!(first.status(), 502);
    let body: Value = first.json().await.unwrap();
    assert_eq!(body["code"], "gateway.bad_gateway");
    assert!(
        !body.to_string().contains(&address.to_string()),
        "addresses stay inside"
    );
    for _ in 0..6 {
        ask().await.unwrap();
    }
    let open = ask().await.unwrap();
    assert_eq!(open.status(), 503);
    assert!(open.headers().contains_key("retry-after"));
    let upstream = Upstream::on(&address.to_string()).await;
    let deadline = Instant::now() + Duration::from_secs(15);
    while ask().await.unwrap().status() != 200 {
        assert!(Instant::now() < deadline, "the service is not called again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(upstream.count() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unready_instance_gets_no_calls_while_another_is_ready() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    one.log.unready.store(true, Ordering::SeqCst);
    let peers = [
        format!("http://{}", one.address),
        format!("http://{}", two.address),
    ];
    let gate = gate_with(&peers, &[]).await;
    let shared = gate.shared();
    eventually(|| {
        shared
            .upstreams
            .services()
            .iter()
            .all(|service| !service.instances[0].ready.load(Ordering::SeqCst))
    })
    .await;
    let token = gate.issuer.access(|_| {});
    for _ in 0..10 {
        assert_eq!(
            gate.get("/api/invoices/")
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    assert_eq!((one.count(), two.count()), (0, 10));
    two.log.unready.store(true, Ordering::SeqCst);
    eventually(|| {
        shared
            .upstreams
            .services()
            .iter()
            .all(|service| !service.is_ready())
    })
    .await;
    assert_eq!(
        gate.get("/api/invoices/")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        200,
        "better than none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_service_is_504_after_the_routes_time() {
    let upstream = Upstream::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let table =
        gateway::routes::EMBEDDED.replace("timeout_ms = 15000           #", "timeout_ms = 300 #");
    std::fs::write(file.path(), table).unwrap();
    let gate = gate(
        &upstream,
        &[("ROUTES__FILE", file.path().to_str().unwrap())],
    )
    .await;
    let started = Instant::now();
    let answer = gate
        .get_as_user("/api/invoices/slow/5000/")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 504);
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(
        upstream.count(),
        1,
        "a call that was sent is not sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_off_is_502_and_gets_get_again_only() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("UPSTREAM__RETRIES", "2")]).await;
    let token = gate.issuer.access(|_| {});
    let post = gate
        .post("/api/invoices/rude/")
        .bearer_auth(&token)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!((post.status().as_u16(), upstream.count()), (502, 1));
    let get = gate
        .get("/api/invoices/rude/")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!((get.status().as_u16(), upstream.count()), (502, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_bulkhead_is_503_and_other_services_are_not_touched() {
    let upstream = Upstream::start().await;
    let gate = gate(&upstream, &[("UPSTREAM__MAX_IN_FLIGHT", "2")]).await;
    let token = gate.issuer.access(|_| {});
    let slow: Vec<_> = (0..2)
        .map(|_| {
            tokio::spawn(
                gate.get("/api/invoices/slow/1500/")
                    .bearer_auth(&token)
                    .send(),
            )
        })
        .collect();
    eventually(|| upstream.count() == 2).await;
    let full = gate
        .get("/api/invoices/")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(full.status(), 503);
    assert_eq!(full.headers()["retry-after"], "1");
    assert_eq!(
        gate.get("/api/contents/")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    for call in slow {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_running_calls_finish() {
    let upstream = Upstream::start().await;
    let mut gate = gate(&upstream, &[]).await;
    let token = gate.issuer.access(|_| {});
    let call = tokio::spawn(
        gate.get("/api/invoices/slow/1000/")
            .bearer_auth(&token)
            .send(),
    );
    eventually(|| upstream.count() == 1).await;
    let ready = gate.get("/health/ready");
    let running = gate.running.take().unwrap();
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        ready.send().await.unwrap().status(),
        503,
        "readiness says no first"
    );
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(gate.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_table_is_read_again_on_hangup_and_a_wrong_one_is_refused() {
    let upstream = Upstream::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), gateway::routes::EMBEDDED).unwrap();
    let gate = gate(
        &upstream,
        &[("ROUTES__FILE", file.path().to_str().unwrap())],
    )
    .await;
    assert_eq!(
        gate.get_as_user("/api/fresh/")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let more = "\n[[route]]\nprefix = \"/api/fresh/\"\nservice = \"portal\"\n";
    std::fs::write(file.path(), format!("{}{more}", gateway::routes::EMBEDDED)).unwrap();
    let hangup = std::process::Command::new("kill")
        .args(["-HUP", &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(hangup.success());
    let routes = || gate.shared().table.load().routes().len();
    let before = gateway::routes::RouteTable::parse(gateway::routes::EMBEDDED, true)
        .unwrap()
        .routes()
        .len();
    eventually(|| routes() == before + 1).await;
    assert_eq!(
        gate.get_as_user("/api/fresh/")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    std::fs::write(file.path(), "nonsense").unwrap();
    assert!(gateway::server::reload(gate.shared()).is_err());
    assert_eq!(
        gate.get_as_user("/api/fresh/")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_post_whose_answer_was_lost_is_sent_again_with_its_body() {
    let upstream = Upstream::start().await;
    // Takes the whole call and closes without a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = format!("http://{}", listener.local_addr().unwrap());
    let (heard, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let text = crate::harness::read_all(&mut stream, Duration::from_millis(100)).await;
            if text.contains("{\"amount\":1}") {
                heard.send(()).unwrap();
            }
        }
    });
    let peers = [deaf, format!("http://{}", upstream.address)];
    let gate = gate_with(&peers, &[("UPSTREAM__PROBE_INTERVAL_MS", "60000")]).await;
    let token = gate.issuer.access(|_| {});
    let post = |key: Option<String>| {
        let call = gate
            .post("/api/invoices/")
            .bearer_auth(&token)
            .body("{\"amount\":1}");
        key.into_iter()
            .fold(call, |call, key| call.header("Idempotency-Key", key))
            .send()
    };
    let mut lost = 0;
    for index in 0..8 {
        let keyed = post(Some(index.to_string())).await.unwrap();
        assert_eq!(keyed.status(), 200, "{index}");
        assert_eq!(upstream.last().body, 12, "{index}");
        lost += usize::from(calls.try_recv().is_ok());
    }
    assert!(lost > 0, "no call went to the deaf instance");
    assert_eq!(upstream.count(), 8);
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loaded_instance_is_spared_and_one_that_drains_finishes_its_calls() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let peers = [&one, &two].map(|upstream| format!("http://{}", upstream.address));
    let gate = gate_with(&peers, &[]).await;
    let shared = gate.shared();
    let token = gate.issuer.access(|_| {});
    let ask = |path: &str| gate.get(path).bearer_auth(&token).send();
    let load = |index: usize| -> Vec<Load> {
        let services = shared.upstreams.services().iter();
        services
            .map(|service| Load::new(&service.instances[index]))
            .collect()
    };
    let busy = load(0);
    for _ in 0..10 {
        assert_eq!(ask("/api/invoices/").await.unwrap().status(), 200);
    }
    assert_eq!((one.count(), two.count()), (0, 10), "the less loaded one");
    drop(busy);
    let busy = load(1);
    let slow = tokio::spawn(ask("/api/invoices/slow/2000/"));
    eventually(|| one.count() == 1).await;
    one.log.unready.store(true, Ordering::SeqCst);
    eventually(|| {
        let mut services = shared.upstreams.services().iter();
        services.all(|service| !service.instances[0].ready.load(Ordering::SeqCst))
    })
    .await;
    for _ in 0..5 {
        assert_eq!(ask("/api/invoices/").await.unwrap().status(), 200);
    }
    assert_eq!((one.count(), two.count()), (1, 15), "ready before idle");
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    drop(busy);
}
