//! A world whose AI providers are the simulators, and a partner with keys for `/v1`.

use diesel_async::RunQueryDsl;
use provider_simulators::openai::AiBehaviour;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, method, path},
};

use crate::support::{Setup, World};

/// A key with the scope and an organisation.
pub(crate) const KEY: &str = "tk_partner";
/// A key of the same organisation without the scope.
pub(crate) const OTHER_KEY: &str = "tk_other";
/// A key without an organisation.
pub(crate) const LONE_KEY: &str = "tk_lone";

pub(crate) struct AiWorld {
    pub(crate) world: World,
    _auth: MockServer,
}

impl AiWorld {
    /// OpenAI, TalkBot and Anthropic are live, in this order.
    pub(crate) async fn start() -> Self {
        Self::with(&["openai", "talkbot", "anthropic"], Vec::new()).await
    }

    pub(crate) async fn with(vendors: &[&str], mut settings: Vec<(&'static str, String)>) -> Self {
        let auth = MockServer::start().await;
        let organization = Uuid::now_v7();
        for (key, scopes, organization) in [
            (KEY, vec!["ai.use"], Some(organization)),
            (OTHER_KEY, vec!["soapify.read"], Some(organization)),
            (LONE_KEY, vec!["ai.use"], None),
        ] {
            Mock::given(method("POST"))
                .and(path("/internal/api-keys/introspect"))
                .and(body_json(json!({"key": key})))
                .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                    "active": true, "id": Uuid::now_v7(), "name": "Partner", "scopes": scopes,
                    "organization_id": organization,
                })))
                .mount(&auth)
                .await;
        }
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"active": false})))
            .with_priority(9)
            .mount(&auth)
            .await;
        settings.push(("peers.auth_otp", auth.uri()));
        let world = World::with(Setup {
            ai: vendors.iter().map(|vendor| (*vendor).to_owned()).collect(),
            organization: Some(organization),
            settings,
            ..Setup::default()
        })
        .await;
        Self { world, _auth: auth }
    }

    /// Sets the switches of OpenAI's simulator.
    pub(crate) fn openai(&self, behaviour: AiBehaviour) {
        self.world.simulators.state.openai.set_behaviour(behaviour);
    }

    /// A conversation over `/v1`.
    pub(crate) fn chat(&self, key: &str, body: &Value) -> RequestBuilder {
        self.world
            .service
            .post("/v1/chat/completions")
            .bearer_auth(key)
            .json(body)
    }

    /// Requests counted for the organisation this month: (requests, tokens, cost).
    pub(crate) async fn counted(&self) -> (i64, i64, i64) {
        counted(&self.world).await
    }
}

#[derive(diesel::QueryableByName)]
struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    requests: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    tokens: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    cost_micros: i64,
}

pub(crate) async fn counted(world: &World) -> (i64, i64, i64) {
    let mut conn = world.service.database.db.get().await.unwrap();
    let rows: Vec<Counted> = diesel::sql_query(format!(
        "SELECT requests, tokens, cost_micros FROM usage_counters \
         WHERE scope = 'organization' AND scope_id = '{}' AND period = 'monthly'",
        world.organization
    ))
    .load(&mut conn)
    .await
    .unwrap();
    rows.as_slice()
        .first()
        .map_or((0, 0, 0), |row| (row.requests, row.tokens, row.cost_micros))
}

#[derive(diesel::QueryableByName)]
struct Open {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

/// Reservations that are not settled (INV12).
pub(crate) async fn open_reservations(world: &World) -> i64 {
    let mut conn = world.service.database.db.get().await.unwrap();
    let row: Open =
        diesel::sql_query("SELECT count(*) AS count FROM ai_calls WHERE state = 'reserved'")
            .get_result(&mut conn)
            .await
            .unwrap();
    row.count
}

/// The data of server-sent events.
pub(crate) fn data_of(stream: &str) -> Vec<String> {
    stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(str::to_owned)
        .collect()
}

/// A question.
pub(crate) fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// A recording of silence, 16 kHz mono, that many bytes of samples long.
pub(crate) fn wav(samples: u32) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(32_000_u32.to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend(samples.to_le_bytes());
    bytes.resize(44 + samples as usize, 0);
    bytes
}
