//! A clinic with staff, and the integrations service that takes messages.

use std::time::Duration;

use common_types::{
    ClinicRole, events::payments::PaymentPurpose, events::payments::PaymentSettled,
};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;
use portal::Portal;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use service_events::outbox;
use service_testing::{ServiceSetup, TestService, eventually};
use tempfile::TempDir;
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
pub(crate) const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n0123456789";
pub(crate) const WRONG_KEYS: &str = "Clé d'accès ou mot de passe incorrect";

/// The service under test with what it needs.
pub(crate) struct Clinic {
    pub(crate) service: TestService<Portal>,
    pub(crate) organization: Uuid,
    pub(crate) integrations: MockServer,
    files: TempDir,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A status and its body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

pub(crate) async fn answer(response: Response) -> Answer {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        headers,
        body,
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }
}

/// Keys as a patient holds them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) password: String,
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        Self::open_with(|setup| setup).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(ServiceSetup) -> ServiceSetup) -> Self {
        let integrations = MockServer::start().await;
        let taken = ResponseTemplate::new(200).set_body_json(
            json!({"message_id": Uuid::now_v7(), "state": "queued", "provider": null}),
        );
        Mock::given(method("POST"))
            .and(path("/internal/messages/"))
            .respond_with(taken)
            .mount(&integrations)
            .await;
        let files = TempDir::new().unwrap();
        let setup = ServiceSetup::new()
            .sealing()
            .set("peers.integrations", integrations.uri())
            .set("keys.lookup_secret", "test-lookup-secret-of-32-characters")
            .set("files.root", files.path().to_str().unwrap())
            .set("portal.url", "http://tabib.test/patient");
        let service = change(setup).start().await;
        Self {
            service,
            organization: Uuid::now_v7(),
            integrations,
            files,
        }
    }

    pub(crate) fn token(&self, role: ClinicRole) -> String {
        self.token_of(role, self.organization)
    }

    pub(crate) fn token_of(&self, role: ClinicRole, organization: Uuid) -> String {
        self.service.issuer.access(|claims| {
            claims.org = Some(organization);
            claims.clinic_role = Some(role);
            claims.name = "Fatou Sow".into();
        })
    }

    /// A request of a member of staff.
    pub(crate) fn staff(&self, role: ClinicRole, verb: Method, path: &str) -> RequestBuilder {
        self.service
            .request(verb, path)
            .bearer_auth(self.token(role))
    }

    pub(crate) async fn get(&self, role: ClinicRole, path: &str) -> Answer {
        answer(self.staff(role, Method::GET, path).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, role: ClinicRole, path: &str, body: Value) -> Answer {
        answer(
            self.staff(role, Method::POST, path)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn send(
        &self,
        role: ClinicRole,
        verb: Method,
        path: &str,
        body: Value,
    ) -> Answer {
        answer(
            self.staff(role, verb, path)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// A patient with phone and e-mail; the answer of the API.
    pub(crate) async fn patient(&self) -> Value {
        let body = json!({"first_name": "Awa", "last_name": "Diop", "gender": "F", "age": 34,
            "phone_number": "+221 77 123 45 67", "email": "awa@example.sn", "address": "", "language": "fr"});
        self.post(ClinicRole::Secretary, "/api/patients/", body)
            .await
            .ok(201)
    }

    /// An invoice of one line.
    pub(crate) async fn invoice(&self, patient: &Value, price: i64) -> Value {
        let body = json!({"patient": patient["id"], "invoice_date": "2026-11-21", "due_date": "2026-12-21",
            "items": [{"description": "Échographie", "quantity": 1, "unit_price": price}]});
        self.post(ClinicRole::Secretary, "/api/invoices/", body)
            .await
            .ok(201)
    }

    pub(crate) async fn pay(&self, invoice: &Value, amount: i64) -> Answer {
        let body = json!({"invoice": invoice["id"], "amount": amount, "payment_method": "cash",
            "payment_date": "2026-11-21T10:00:00Z"});
        self.post(ClinicRole::Accountant, "/api/payments/", body)
            .await
    }

    /// A patient with a paid invoice.
    pub(crate) async fn paid(&self) -> (Value, Value) {
        let patient = self.patient().await;
        let invoice = self.invoice(&patient, 33_000).await;
        self.pay(&invoice, 33_000).await.ok(201);
        (patient, invoice)
    }

    /// The keys of a patient, as an admin may read them.
    pub(crate) async fn keys(&self, patient: &Value) -> Keys {
        let body = json!({"patient_id": patient["id"]});
        let access = self
            .post(ClinicRole::Admin, "/api/patients/access/generate/", body)
            .await
            .ok(201);
        Keys {
            id: access["id"].as_i64().unwrap(),
            key: access["access_key"].as_str().unwrap().into(),
            password: access["password"].as_str().unwrap().into(),
        }
    }

    pub(crate) async fn try_login(&self, key: &str, password: &str) -> Answer {
        let body = json!({"access_key": key, "password": password});
        answer(
            self.service
                .post("/api/patients/portal/login/")
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// The session token of a patient.
    pub(crate) async fn login(&self, keys: &Keys) -> String {
        let body = self.try_login(&keys.key, &keys.password).await.ok(200);
        body["session_token"].as_str().unwrap().into()
    }

    pub(crate) async fn as_patient(&self, session: &str, path: &str) -> Answer {
        answer(
            self.service
                .get(path)
                .bearer_auth(session)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn upload(
        &self,
        role: ClinicRole,
        access: &str,
        name: &str,
        content: &[u8],
    ) -> Answer {
        let boundary = "x-tabib-boundary";
        let mut body = Vec::new();
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"patient_access\"\r\n\r\n{access}\r\n").as_bytes(),
        );
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"report_file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n")
                .as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let request = self
            .staff(role, Method::POST, "/api/reports/admin/")
            .header(
                "content-type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(body);
        answer(request.send().await.unwrap()).await
    }

    /// A patient whose report is active, with keys.
    pub(crate) async fn with_report(&self) -> (Keys, String) {
        let (patient, _) = self.paid().await;
        let keys = self.keys(&patient).await;
        let report = self
            .upload(ClinicRole::Secretary, &keys.id.to_string(), "r.pdf", PDF)
            .await
            .ok(201);
        assert_eq!(report["is_active"], true, "{report}");
        (keys, report["id"].as_str().unwrap().into())
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let mut conn = self.service.database.db.get().await.unwrap();
        let row: Count = diesel::sql_query(format!("SELECT count(*)::bigint AS count FROM {sql}"))
            .get_result(&mut conn)
            .await
            .unwrap();
        row.count
    }

    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let mut conn = self.service.database.db.get().await.unwrap();
        let rows: Vec<Line> = diesel::sql_query(sql).load(&mut conn).await.unwrap();
        rows.into_iter().map(|row| row.line).collect()
    }

    pub(crate) async fn audits(&self, action: &str) -> i64 {
        self.count(&format!("audit_entries WHERE action = '{action}'"))
            .await
    }

    /// Puts an event of another service into the broker, through this service's own relay.
    pub(crate) async fn publish(&self, source: &str, event: &impl common_types::Event) {
        let mut conn = self.service.database.db.get().await.unwrap();
        outbox::emit(&mut conn, source, event, self.service.stack.clock.now())
            .await
            .unwrap();
        self.service.stack.outbox.wake();
    }

    pub(crate) fn settled(&self, invoice: &Value, amount: i64) -> PaymentSettled {
        PaymentSettled {
            payment_id: Uuid::now_v7(),
            aggregate_version: 3,
            organization_id: self.organization,
            purpose: PaymentPurpose::Invoice,
            invoice_id: Some(invoice["uuid"].as_str().unwrap().parse().unwrap()),
            payer: None,
            amount,
            currency: common_types::Currency::Xof,
            provider: "sandbox".into(),
            provider_reference: "ref-1".into(),
            settled_at: self.service.stack.clock.now(),
        }
    }

    pub(crate) async fn status_of(&self, invoice: &Value) -> String {
        let path = format!("/api/invoices/{}/", invoice["id"]);
        let body = self.get(ClinicRole::Admin, &path).await.ok(200);
        body["status"].as_str().unwrap().into()
    }

    pub(crate) async fn until_status(&self, invoice: &Value, status: &str) {
        eventually(DEADLINE, async || self.status_of(invoice).await == status).await;
    }

    /// Bodies of the messages that integrations was given.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let requests = self
            .integrations
            .received_requests()
            .await
            .unwrap_or_default();
        requests
            .iter()
            .map(|request| request.body_json().unwrap())
            .collect()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.files.path()
    }
}
