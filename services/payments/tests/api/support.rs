//! A clinic with a doctor, a sandbox where payers pay, and a portal that knows invoices.

use std::time::Duration;

use chrono::TimeDelta;
use common_types::{
    ClinicRole,
    events::{Event, integrations::WebhookReceived},
};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use payments::Payments;
use provider_simulators::{Options, Running};
use reqwest::Response;
use serde_json::{Value, json};
use service_db::{Db, DbError};
use service_testing::{ServiceSetup, TestService, eventually};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What a rented sum of the ledger must be, whatever happened.
const SUM: &str = "SELECT coalesce(sum(amount), 0)::bigint FROM ledger_entries";
const WRONG_BALANCES: &str = "SELECT count(*) FROM ledger_accounts a WHERE a.balance <> \
    (SELECT coalesce(sum(e.amount), 0) FROM ledger_entries e WHERE e.account_id = a.id)";
const THIN_TRANSFERS: &str = "SELECT count(*) FROM ledger_transfers t WHERE \
    (SELECT count(*) FROM ledger_entries e WHERE e.transfer_id = t.id) < 2";

pub(crate) struct Clinic {
    pub(crate) service: TestService<Payments>,
    pub(crate) provider: Running,
    pub(crate) portal: MockServer,
    pub(crate) organization: Uuid,
    pub(crate) doctor: Uuid,
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
        let setup = ServiceSetup::new()
            .set("sandbox.base_url", &provider.base_url)
            .set("sandbox.api_key", "sandbox-key")
            .set("peers.portal", portal.uri())
            .set("rules.starts_per_minute", 100_000)
            .set("rules.hints_per_minute", 100_000);
        let service = change(setup, &provider.base_url).start().await;
        let (organization, doctor) = (Uuid::now_v7(), Uuid::now_v7());
        Self {
            service,
            provider,
            portal,
            organization,
            doctor,
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

    /// The payer decides on the hosted page; answers where the browser is sent.
    pub(crate) async fn decide(&self, payment_url: &str, decision: &str) -> String {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = http
            .post(payment_url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("decision={decision}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Follows the provider's redirect with the payer's browser.
    pub(crate) async fn come_back(&self, location: &str) -> Response {
        let query = location.split_once('?').unwrap().1;
        self.service
            .get(&format!("/api/v1/payments/return/?{query}"))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn behave(&self, behaviour: &Value) {
        let url = format!("{}/dev/sandbox/behaviour/", self.provider.base_url);
        let answer = reqwest::Client::new()
            .put(url)
            .json(behaviour)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// An invoice that portal knows.
    pub(crate) async fn invoice(&self, amount: i64, status: &str) -> Uuid {
        self.invoice_of(self.organization, amount, status).await
    }

    pub(crate) async fn invoice_of(&self, organization: Uuid, amount: i64, status: &str) -> Uuid {
        let id = Uuid::now_v7();
        let body = json!({
            "invoice_id": id, "number": 1, "invoice_number": "FAC-000001",
            "organization_id": organization, "patient_id": Uuid::now_v7(),
            "patient_name": "Awa", "amount": amount, "currency": "XOF", "status": status,
        });
        Mock::given(method("GET"))
            .and(path(format!("/internal/invoices/{id}/payable/")))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&self.portal)
            .await;
        id
    }

    /// Emits an event as another service would, through the broker.
    pub(crate) async fn emit<E: Event>(&self, source: &str, event: &E) {
        let emitted = self.db().transaction(async |conn| {
            Ok::<_, DbError>(
                service_events::outbox::emit(conn, source, event, chrono::Utc::now()).await?,
            )
        });
        emitted.await.unwrap();
        self.service.stack.outbox.wake();
    }

    /// What integrations says when a payment webhook came.
    pub(crate) async fn webhook(&self, order: &str, reference: Option<&str>, kind: &str) {
        let event = WebhookReceived {
            webhook_event_id: Uuid::now_v7(),
            aggregate_version: 1,
            organization_id: None,
            endpoint: "payment-status".into(),
            provider_slug: "sandbox".into(),
            event_type: kind.into(),
            provider_reference: reference.map(str::to_owned),
            order_reference: Some(order.to_owned()),
            received_at: chrono::Utc::now(),
        };
        self.emit("integrations", &event).await;
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let mut conn = self.db().get().await.unwrap();
        let row: Number = diesel::sql_query(format!("SELECT ({sql})::bigint AS number"))
            .get_result(&mut conn)
            .await
            .unwrap();
        row.number
    }

    pub(crate) async fn balance(&self, code: &str) -> i64 {
        let sql = format!(
            "SELECT coalesce(sum(balance), 0) FROM ledger_accounts WHERE code = '{code}' \
             AND organization_id = '{}'",
            self.organization
        );
        self.number(&sql).await
    }

    /// Actor, subjects and address of the audit rows of one action.
    pub(crate) async fn audit_rows(
        &self,
        action: &str,
    ) -> Vec<(String, Vec<String>, Option<String>)> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            actor: String,
            #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Text>)]
            subject_ids: Vec<String>,
            #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
            ip: Option<String>,
        }
        let mut conn = self.db().get().await.unwrap();
        diesel::sql_query("SELECT actor, subject_ids, ip FROM audit_entries WHERE action = $1")
            .bind::<diesel::sql_types::Text, _>(action)
            .load::<Row>(&mut conn)
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.actor, row.subject_ids, row.ip))
            .collect()
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

    /// INV1, INV2 and the sum of what was settled; call it at the end of every test that moved money.
    pub(crate) async fn books_are_right(&self) {
        let wrong = (
            self.number(SUM).await,
            self.number(WRONG_BALANCES).await,
            self.number(THIN_TRANSFERS).await,
        );
        assert_eq!(
            wrong,
            (0, 0, 0),
            "sum of entries, wrong balances, thin transfers"
        );
        let unbooked = "SELECT count(*) FROM payments p WHERE (p.status = 'completed') <> EXISTS \
            (SELECT 1 FROM ledger_transfers t WHERE t.kind = 'settlement' AND t.reference = p.id::text)";
        assert_eq!(
            self.number(unbooked).await,
            0,
            "completed and booked differ"
        );
    }

    /// Events of one kind in the outbox.
    pub(crate) async fn events_named(&self, name: &str) -> Vec<Value> {
        let events = service_testing::published_events(self.db()).await;
        events
            .into_iter()
            .filter(|event| event.name == name)
            .map(|event| event.payload)
            .collect()
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
