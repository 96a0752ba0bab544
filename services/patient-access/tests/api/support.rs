//! A clinic with a doctor, and the two peers that patient-access asks.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{TimeDelta, Utc};
use common_types::{
    AccessClaims, ClinicRole,
    internal::auth::{
        CodeOutcome, CodeTooSoon, SendCodeRequest, SendCodeResponse, UserInfo, VerifyCodeRequest,
        VerifyCodeResponse,
    },
};
use parking_lot::Mutex;
use patient_access::PatientAccess;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use service_testing::{ServiceSetup, TestService};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{method, path, path_regex},
};

pub(crate) const PATIENT_PHONE: &str = "09123456789";
pub(crate) const CODE: &str = "123456";
pub(crate) const TOKEN_HEADER: &str = "X-Patient-Access-Token";

/// What the played auth-otp does and saw.
#[derive(Default)]
pub(crate) struct Codes {
    pub(crate) sent: Vec<SendCodeRequest>,
    pub(crate) refuse_sending: Option<u16>,
    challenges: BTreeMap<Uuid, Challenge>,
}

struct Challenge {
    binding: String,
    wrong: i32,
    spent: bool,
}

#[derive(Clone, Default)]
struct Sending(Arc<Mutex<Codes>>);

impl Respond for Sending {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut codes = self.0.lock();
        match codes.refuse_sending {
            Some(429) => {
                return ResponseTemplate::new(429).set_body_json(CodeTooSoon { retry_after: 17 });
            }
            Some(status) => return ResponseTemplate::new(status).set_body_json(json!({})),
            None => {}
        }
        let body: SendCodeRequest = request.body_json().unwrap();
        let id = Uuid::now_v7();
        codes.challenges.insert(
            id,
            Challenge {
                binding: body.binding.clone(),
                wrong: 0,
                spent: false,
            },
        );
        codes.sent.push(body);
        ResponseTemplate::new(201).set_body_json(SendCodeResponse {
            challenge_id: id,
            expires_at: Utc::now() + TimeDelta::seconds(300),
            cooldown_seconds: 60,
        })
    }
}

struct Verifying(Sending);

impl Respond for Verifying {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let id: Uuid = request
            .url
            .path()
            .split('/')
            .nth(3)
            .unwrap()
            .parse()
            .unwrap();
        let body: VerifyCodeRequest = request.body_json().unwrap();
        let mut codes = self.0.0.lock();
        let answer = match codes.challenges.get_mut(&id) {
            Some(challenge) if challenge.binding == body.binding && !challenge.spent => {
                if challenge.wrong >= 3 {
                    VerifyCodeResponse {
                        outcome: CodeOutcome::Burned,
                        attempts_left: 0,
                    }
                } else if body.code == CODE {
                    challenge.spent = true;
                    VerifyCodeResponse {
                        outcome: CodeOutcome::Verified,
                        attempts_left: 3 - challenge.wrong,
                    }
                } else {
                    challenge.wrong += 1;
                    VerifyCodeResponse {
                        outcome: CodeOutcome::Wrong,
                        attempts_left: 3 - challenge.wrong,
                    }
                }
            }
            _ => VerifyCodeResponse {
                outcome: CodeOutcome::Unknown,
                attempts_left: 0,
            },
        };
        ResponseTemplate::new(200).set_body_json(answer)
    }
}

/// The service with its peers, a clinic, its doctor and a patient.
pub(crate) struct Clinic {
    pub(crate) service: TestService<PatientAccess>,
    pub(crate) chat: MockServer,
    pub(crate) auth_otp: MockServer,
    pub(crate) codes: Arc<Mutex<Codes>>,
    pub(crate) organization: Uuid,
    pub(crate) doctor: Uuid,
    pub(crate) patient: Uuid,
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        Self::open_with(|setup| setup).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(ServiceSetup) -> ServiceSetup) -> Self {
        let (auth_otp, chat) = (MockServer::start().await, MockServer::start().await);
        let sending = Sending::default();
        let codes = Arc::clone(&sending.0);
        let patient = Uuid::now_v7();
        let mount = |mock: Mock| mock.mount(&auth_otp);
        mount(
            Mock::given(method("POST"))
                .and(path("/internal/codes/"))
                .respond_with(sending.clone()),
        )
        .await;
        mount(
            Mock::given(method("POST"))
                .and(path_regex("^/internal/codes/[^/]+/verify/$"))
                .respond_with(Verifying(sending)),
        )
        .await;
        let info = UserInfo {
            id: patient,
            number: 7,
            phone: Some(common_types::PhoneNumber::parse(PATIENT_PHONE).unwrap()),
            full_name: "مریم احمدی".into(),
            language: common_types::Language::Fa,
            organization_id: None,
            payouts_held_until: None,
        };
        let found = ResponseTemplate::new(200).set_body_json(&info);
        mount(
            Mock::given(method("GET"))
                .and(path("/internal/users/by-phone/%2B989123456789"))
                .respond_with(found.clone()),
        )
        .await;
        mount(
            Mock::given(method("GET"))
                .and(path(format!("/internal/users/{patient}")))
                .respond_with(found),
        )
        .await;
        let setup = ServiceSetup::new()
            .sealing()
            .set("peers.auth_otp", auth_otp.uri())
            .set("peers.chat", chat.uri());
        let clinic = Self {
            service: change(setup).start().await,
            chat,
            auth_otp,
            codes,
            organization: Uuid::now_v7(),
            doctor: Uuid::now_v7(),
            patient,
        };
        clinic.with_summary("خلاصهٔ نخست").await;
        clinic
    }

    /// From now on chat answers with this summary.
    pub(crate) async fn with_summary(&self, text: &str) {
        self.chat.reset().await;
        self.with_patient().await;
        Mock::given(method("GET"))
            .and(path("/api/chat/summaries/latest/7/"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "id": 3, "content": "متن کامل", "summary_text": text,
                "created_at": "2026-11-01T10:00:00Z", "updated_at": "2026-11-01T10:00:00Z",
            })))
            .mount(&self.chat)
            .await;
    }

    pub(crate) async fn with_patient(&self) {
        Mock::given(method("GET"))
            .and(path("/api/users/by-phone/09123456789/"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "id": 7, "username": "user-7", "phone_number": PATIENT_PHONE, "email": "",
            })))
            .mount(&self.chat)
            .await;
    }

    /// A token of a doctor of this clinic.
    pub(crate) fn token_of(&self, doctor: Uuid) -> String {
        self.token(|claims| {
            claims.sub = doctor;
            claims.org = Some(self.organization);
            claims.clinic_role = Some(ClinicRole::Doctor);
            claims.name = "دکتر رضایی".into();
        })
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut AccessClaims)) -> String {
        self.service.issuer.access(change)
    }

    pub(crate) fn doctor_token(&self) -> String {
        self.token_of(self.doctor)
    }

    /// A token of the patient, who works in no clinic.
    pub(crate) fn patient_token(&self) -> String {
        self.token(|claims| claims.sub = self.patient)
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        Answer::of(
            self.service
                .post(path)
                .bearer_auth(token)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        Answer::of(
            self.service
                .get(path)
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.service.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Asks as the doctor for the patient's consent.
    pub(crate) async fn request(&self) -> Uuid {
        let made = self
            .post(
                "/crazyminer/patient/request/",
                &self.doctor_token(),
                json!({"patient_phone": PATIENT_PHONE}),
            )
            .await;
        assert_eq!(made.status, 201, "{:?}", made.body);
        made.body["request_id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn verify(&self, request: Uuid, code: &str) -> Answer {
        let body = json!({"request_id": request, "otp_code": code});
        self.post("/crazyminer/patient/verify/", &self.doctor_token(), body)
            .await
    }

    /// The whole way to a grant: its token and id.
    pub(crate) async fn grant(&self) -> (String, Uuid) {
        let request = self.request().await;
        let verified = self.verify(request, CODE).await;
        assert_eq!(verified.status, 200, "{:?}", verified.body);
        (
            verified.body["access_token"].as_str().unwrap().to_owned(),
            verified.body["grant_id"].as_str().unwrap().parse().unwrap(),
        )
    }

    pub(crate) async fn data_as(&self, bearer: &str, token: &str) -> Answer {
        let request = self
            .service
            .get("/crazyminer/patient/data/")
            .bearer_auth(bearer)
            .header(TOKEN_HEADER, token);
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn data(&self, token: &str) -> Answer {
        self.data_as(&self.doctor_token(), token).await
    }
}

/// A response read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
