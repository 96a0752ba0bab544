//! A clinic with a doctor, a sandbox where payers pay, and a portal that knows invoices.

mod books;
mod neighbours;
mod private_redis;
mod provider;

use std::time::Duration;

use chrono::TimeDelta;
use common_types::{ClinicRole, Currency, Money};
use payments::Payments;
use provider_simulators::{Options, Running};
use reqwest::Response;
use serde_json::{Value, json};
use service_db::{Db, DbError};
use service_testing::{ServiceSetup, TestService, eventually};
use uuid::Uuid;
use wiremock::MockServer;

pub(crate) use private_redis::PrivateRedis;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Clinic {
    pub(crate) service: TestService<Payments>,
    pub(crate) provider: Running,
    pub(crate) portal: MockServer,
    pub(crate) auth: MockServer,
    pub(crate) organization: Uuid,
    pub(crate) doctor: Uuid,
    pub(crate) accountant: Uuid,
}

impl Clinic {
    pub(crate) async fn new() -> Self {
        Self::with(|setup, _| setup).await
    }

    /// A clinic whose settings differ; the closure also gets the simulators' address.
    pub(crate) async fn with(change: impl FnOnce(ServiceSetup, &str) -> ServiceSetup) -> Self {
        let provider = provider_simulators::spawn(Options::default())
            .await
            .unwrap();
        let portal = MockServer::start().await;
        let auth = MockServer::start().await;
        let setup = ServiceSetup::new()
            .set("sandbox.base_url", &provider.base_url)
            .set("sandbox.api_key", "sandbox-key")
            .set("peers.portal", portal.uri())
            .set("peers.auth_otp", auth.uri())
            .set("rules.starts_per_minute", 100_000)
            .set("rules.hints_per_minute", 100_000)
            .set("rules.velocity.payer_per_hour", 1_000_000)
            .set("rules.velocity.doctor_per_hour", 1_000_000)
            .set("rules.velocity.address_per_hour", 1_000_000);
        let service = change(setup, &provider.base_url).start().await;
        let (organization, doctor) = (Uuid::now_v7(), Uuid::now_v7());
        Self {
            service,
            provider,
            portal,
            auth,
            organization,
            doctor,
            accountant: Uuid::now_v7(),
        }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.service.database.db
    }

    pub(crate) fn token(&self, person: Uuid, role: ClinicRole) -> String {
        self.service.issuer.access(|claims| {
            claims.sub = person;
            claims.org = Some(self.organization);
            claims.clinic_role = Some(role);
        })
    }

    pub(crate) fn doctor_token(&self) -> String {
        self.token(self.doctor, ClinicRole::Doctor)
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.service
            .post(path)
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) fn accountant_token(&self) -> String {
        self.token(self.accountant, ClinicRole::Accountant)
    }

    /// A POST with an idempotency key.
    pub(crate) async fn keyed(&self, path: &str, token: &str, key: &str, body: &Value) -> Response {
        let request = self
            .service
            .post(path)
            .bearer_auth(token)
            .header("Idempotency-Key", key);
        request.json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.service
            .get(path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// Starts a wallet charge of the doctor and answers its body.
    pub(crate) async fn charge(&self, amount: i64) -> Value {
        let body = json!({ "amount": amount });
        let answer = self
            .post("/crazyminer/payment/create/", &self.doctor_token(), &body)
            .await;
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    pub(crate) async fn status_of(&self, payment: &str) -> String {
        let id = Uuid::parse_str(payment).unwrap();
        let mut conn = self.db().get().await.unwrap();
        let payment = payments::payment::find_payment(&mut conn, id)
            .await
            .unwrap()
            .unwrap();
        payment.status.as_str().to_owned()
    }

    pub(crate) async fn becomes(&self, payment: &str, status: &str) {
        eventually(PATIENCE, async || self.status_of(payment).await == status).await;
    }

    pub(crate) fn pass(&self, time: TimeDelta) {
        self.service.clock.advance(time);
    }

    /// Pays from the doctor's wallet for a service.
    pub(crate) async fn spend(&self, amount: i64, reference: &str) {
        let now = chrono::Utc::now();
        let price = Money::new(amount, Currency::Irr);
        let whose = (self.organization, self.doctor);
        let spent = self.db().transaction(async |conn| {
            payments::wallet::spend(conn, whose, price, reference, now)
                .await
                .map_err(|error| DbError::Connect(error.to_string()))
        });
        spent.await.unwrap();
    }
}

/// The members of an object, sorted.
pub(crate) fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}
