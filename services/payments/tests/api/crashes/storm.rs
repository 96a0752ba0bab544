//! kill -9 at random moments, while people start, pay and give back.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use payments::{payment, reconciliation, refund};
use serde_json::{Value, json};
use service_testing::{eventually, unsettled_events};
use uuid::Uuid;
use wiremock::MockServer;

use super::{
    sound,
    victim::{Victim, answered, free_port, issuer},
};
use crate::{
    refunds::paid_charge,
    support::{Clinic, PATIENCE},
};

/// Processes that are killed, and how many people keep them at work meanwhile.
const KILLS: u64 = 24;
const PEOPLE: u64 = 4;

/// Chance; the seed is in every message.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A request with a key, and the answer when one came.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    doctor: bool,
    key: String,
    body: Value,
    answer: Option<(u16, Vec<u8>)>,
}

/// Statuses after which the request is done: not "still running", "busy" or "something broke".
fn is_final(status: u16, body: &[u8]) -> bool {
    match status {
        200..=299 | 400 | 404 | 422 => true,
        409 => !String::from_utf8_lossy(body).contains("idempotency.in_flight"),
        _ => false,
    }
}

/// What the people have in common.
struct Town<'a> {
    clinic: &'a Clinic,
    port: u16,
    invoice: Uuid,
    tokens: (String, String),
    history: Mutex<Vec<Asked>>,
    paid: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Town<'_> {
    fn token(&self, doctor: bool) -> &str {
        if doctor {
            &self.tokens.0
        } else {
            &self.tokens.1
        }
    }

    /// One request at the process that may be dying; its outcome goes into the history.
    async fn ask(&self, path: &str, doctor: bool, body: Value) -> Option<Value> {
        let mut asked = Asked {
            path: path.to_owned(),
            doctor,
            key: Uuid::now_v7().to_string(),
            body,
            answer: None,
        };
        let request = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}{path}", self.port))
            .timeout(Duration::from_secs(20))
            .bearer_auth(self.token(doctor))
            .header("Idempotency-Key", &asked.key)
            .json(&asked.body);
        if let Ok(answer) = request.send().await {
            let status = answer.status().as_u16();
            if let Ok(bytes) = answer.bytes().await
                && is_final(status, &bytes)
            {
                asked.answer = Some((status, bytes.to_vec()));
            }
        }
        let said = asked.answer.as_ref().filter(|(status, _)| *status == 201);
        let said = said.map(|(_, body)| serde_json::from_slice(body).unwrap());
        self.history.lock().unwrap().push(asked);
        said
    }

    /// Somebody starts a payment, and pays it or not, and comes back or not.
    async fn pays_online(&self, dice: &mut Dice) {
        let amount = 1_000 + i64::try_from(dice.roll(9_000)).unwrap();
        let body = json!({"purpose": "invoice", "invoice_id": self.invoice, "amount": amount});
        let Some(started) = self.ask("/api/v1/payments/", true, body).await else {
            return;
        };
        let decision = match dice.roll(10) {
            0..7 => "approve",
            7 => "decline",
            _ => return,
        };
        let page = started["payment_url"].as_str().unwrap();
        let location = self.clinic.decide(page, decision).await;
        let id = started["id"].as_str().unwrap().to_owned();
        match dice.roll(3) {
            0 => {
                let query = location.split_once('?').unwrap().1;
                let address = format!(
                    "http://127.0.0.1:{}/api/v1/payments/return/?{query}",
                    self.port
                );
                // The browser may find nobody there.
                let _ = reqwest::get(address).await;
            }
            1 => self.clinic.webhook(&id, None, "payment.success").await,
            _ => {}
        }
        if decision == "approve" {
            self.paid.lock().unwrap().push(id);
        }
    }

    /// Somebody asks for a part of a payment back.
    async fn gives_back(&self, dice: &mut Dice) {
        let paid = {
            let paid = self.paid.lock().unwrap();
            let many = u64::try_from(paid.len()).unwrap();
            (many > 0).then(|| paid[usize::try_from(dice.roll(many)).unwrap()].clone())
        };
        if let Some(id) = paid {
            let path = format!("/api/v1/payments/{id}/refund/");
            let body = json!({"amount": 100, "reason": "part"});
            self.ask(&path, false, body).await;
        }
    }

    async fn lives(&self, seed: u64) {
        let mut dice = Dice(seed);
        while !self.over.load(Ordering::Relaxed) {
            match dice.roll(6) {
                0..3 => self.pays_online(&mut dice).await,
                3 => self.gives_back(&mut dice).await,
                _ => {
                    let body = json!({"amount": 10, "description": "x"});
                    self.ask("/api/v1/wallet/pay/", true, body).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(dice.roll(40))).await;
        }
    }

    /// Kills `serve`, the worker, or both, and starts them again, until so many have died.
    async fn is_struck(&self, jwks: &MockServer, seed: u64) {
        let start =
            |command| Victim::spawn(self.clinic, jwks, command, (self.port_of(command), None));
        let mut dice = Dice(seed);
        let (mut serve, mut worker) = (start("serve"), start("worker"));
        let mut killed = 0;
        while killed < KILLS {
            serve.is_ready().await;
            tokio::time::sleep(Duration::from_millis(20 + dice.roll(400))).await;
            let which = dice.roll(3);
            if which != 0 {
                serve.kill();
                serve = start("serve");
                killed += 1;
            }
            if which != 1 {
                worker.kill();
                worker = start("worker");
                killed += 1;
            }
        }
        serve.kill();
        worker.kill();
        self.over.store(true, Ordering::Relaxed);
    }

    fn port_of(&self, command: &str) -> u16 {
        match command {
            "serve" => self.port,
            _ => free_port(),
        }
    }
}

/// Asks again for everything that was ever asked for: what was answered is answered with the same bytes (INV6), what
/// was not ends as done or not done. Answers how many payments were made, and how many refunds.
async fn asked_again(
    clinic: &Clinic,
    history: &[Asked],
    seed: u64,
) -> (HashSet<String>, HashSet<String>) {
    let (doctor, accountant) = (clinic.doctor_token(), clinic.accountant_token());
    let (mut payments, mut refunds) = (HashSet::new(), HashSet::new());
    for asked in history {
        let token = if asked.doctor { &doctor } else { &accountant };
        let path = (asked.path.as_str(), token.as_str());
        let (status, body) = answered(clinic, path, &asked.key, &asked.body).await;
        assert!(
            is_final(status, &body),
            "seed {seed}: {status} to {asked:?}"
        );
        if let Some((before, bytes)) = asked.answer.as_ref().filter(|(status, _)| *status == 201) {
            assert_eq!((status, &body), (*before, bytes), "seed {seed}: {asked:?}");
        }
        if status == 201 {
            let made: Value = serde_json::from_slice(&body).unwrap();
            let id = made["id"].as_str().unwrap().to_owned();
            let fresh = match asked.path.ends_with("/refund/") {
                true => refunds.insert(id),
                false => payments.insert(id),
            };
            assert!(fresh, "seed {seed}: one key, one outcome");
        }
    }
    (payments, refunds)
}

/// Time passes until nothing is open.
async fn comes_to_rest(clinic: &Clinic) {
    let open = "SELECT (SELECT count(*) FROM payments WHERE status IN ('pending', 'processing')) \
        + (SELECT count(*) FROM refunds WHERE status = 'processing')";
    for _ in 0..24 {
        let state = &clinic.service.state;
        while payment::run_due_checks(state).await.unwrap() > 0 {}
        while refund::run_due_refunds(state).await.unwrap() > 0 {}
        if clinic.number(open).await == 0 {
            return;
        }
        clinic.pass(TimeDelta::minutes(10));
    }
    panic!(
        "{:?}",
        clinic
            .rows("SELECT status || ' ' || coalesce(review_reason, '') AS line FROM payments")
            .await
    );
}

/// INV4: what the provider calls paid, and gave back, is what our payments say, number by number.
async fn agrees_with_the_provider(clinic: &Clinic, seed: u64) {
    let provider = clinic.service.state.providers.get("sandbox").unwrap();
    let all = (DateTime::UNIX_EPOCH, Utc::now() + TimeDelta::days(1));
    let lines = provider.settlements().unwrap();
    let lines = lines.settled_between(all.0, all.1).await.unwrap();
    let theirs: BTreeMap<String, String> = lines
        .into_iter()
        .map(|line| {
            (
                line.reference,
                format!("{} {} {}", line.amount, line.currency, line.refunded),
            )
        })
        .collect();
    let ours: BTreeMap<String, String> = clinic
        .rows(
            "SELECT provider_reference || '|' || amount || ' ' || currency || ' ' || refunded_amount AS line \
             FROM payments WHERE completed_at IS NOT NULL AND provider = 'sandbox'",
        )
        .await
        .iter()
        .map(|row| row.split_once('|').unwrap())
        .map(|(reference, rest)| (reference.to_owned(), rest.to_owned()))
        .collect();
    assert_eq!(theirs, ours, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m4_killed_at_random_moments_under_load_nothing_is_lost_or_doubled() {
    let seed = u64::from(Uuid::now_v7().as_fields().1) + u64::from(std::process::id());
    let mut clinic = Clinic::new().await;
    let jwks = issuer(&clinic).await;
    paid_charge(&clinic, 50_000_000).await;
    let before = clinic.now_and_fingerprint().await;
    let town = Town {
        clinic: &clinic,
        port: free_port(),
        invoice: clinic.invoice(900_000_000, "sent").await,
        tokens: (clinic.doctor_token(), clinic.accountant_token()),
        history: Mutex::default(),
        paid: Mutex::default(),
        over: AtomicBool::new(false),
    };
    let people = (1..=PEOPLE).map(|person| town.lives(seed + person));
    tokio::join!(
        town.is_struck(&jwks, seed),
        futures_util::future::join_all(people)
    );
    let history = town.history.into_inner().unwrap();
    let answered = history
        .iter()
        .filter(|asked| asked.answer.is_some())
        .count();
    assert!(
        answered > 0 && answered < history.len(),
        "seed {seed}: {answered} of {}",
        history.len()
    );

    // The test's clock stood still; whatever was begun is old by now.
    clinic.pass(TimeDelta::minutes(10));
    let (payments, refunds) = asked_again(&clinic, &history, seed).await;
    comes_to_rest(&clinic).await;
    // The charge before the storm is one more.
    let made = clinic
        .number("SELECT count(*) FROM payments WHERE status <> 'failed' OR payment_url IS NOT NULL")
        .await;
    assert_eq!(
        made,
        i64::try_from(payments.len()).unwrap() + 1,
        "seed {seed}"
    );
    assert_eq!(
        clinic.number("SELECT count(*) FROM refunds").await,
        i64::try_from(refunds.len()).unwrap(),
        "seed {seed}"
    );
    agrees_with_the_provider(&clinic, seed).await;
    let state = &clinic.service.state;
    reconciliation::reconcile_books(state, true).await.unwrap();
    let found = "SELECT to_jsonb(e)::text AS line FROM reconciliation_exceptions e";
    assert_eq!(clinic.rows(found).await, [""; 0], "seed {seed}");
    sound(&clinic, &before, &format!("seed {seed}")).await;
    // INV7: whatever was told is sent, once the relay runs again.
    clinic.service.start_worker();
    eventually(PATIENCE, async || {
        unsettled_events(clinic.db()).await == (0, 0)
    })
    .await;
}
