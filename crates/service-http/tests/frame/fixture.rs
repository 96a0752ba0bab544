//! The smallest service there can be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, ServiceConfig},
};
use common_types::{Currency, PhoneNumber};
use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings,
    ServerSettings, TelemetrySettings, Validate,
};
use service_http::{
    Allowed, ApiError, Caller, ClientIp, Doctor, Json, JsonBytes, MachineCaller, Path,
    PortalCaller, SensitiveCaller, ServiceCaller, ServiceDefinition, Stack,
    body::BodyLimits,
    idempotency::{self, Key, Stored},
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    environment: Environment,
    server: ServerSettings,
    database: DatabaseSettings,
    redis: RedisSettings,
    amqp: AmqpSettings,
    telemetry: TelemetrySettings,
    auth: AuthSettings,
    #[serde(default)]
    peers: PeerSettings,
}

impl Validate for Settings {
    fn validate(&self) -> Result<(), Vec<String>> {
        self.server.validate()
    }
}

service_http::common_sections!(Settings);

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) stack: Stack,
    pub(crate) finished: Arc<AtomicUsize>,
}

#[derive(Debug)]
pub(crate) struct Fixture;

impl ServiceDefinition for Fixture {
    const NAME: &'static str = "fixture";
    const DEFAULTS_TOML: &'static str = "environment = \"production\"\n[server]\nhost = \"127.0.0.1\"\nport = 0\nworker_port = 0\n[telemetry]\nlog_format = \"json\"\nfilter = \"info\"\n";
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("tests/migrations");
    type Settings = Settings;
    type State = State;

    fn openapi() -> utoipa::openapi::OpenApi {
        utoipa::openapi::OpenApiBuilder::new().build()
    }

    async fn build(_: Settings, stack: Stack) -> anyhow::Result<State> {
        Ok(State {
            stack,
            finished: Arc::default(),
        })
    }

    fn configure(config: &mut ServiceConfig, state: State) {
        config
            .app_data(Data::new(state))
            .service(web::resource("/order").post(create_order))
            .service(web::resource("/person").get(async |caller: Caller| caller.sub.to_string()))
            .service(
                web::resource("/sensitive")
                    .get(async |caller: SensitiveCaller| caller.sub.to_string()),
            )
            .service(
                web::resource("/doctor")
                    .get(async |doctor: Allowed<Doctor>| doctor.sub.to_string()),
            )
            .service(web::resource("/machine").get(async |caller: MachineCaller| caller.name()))
            .service(
                web::resource("/patient")
                    .get(async |patient: PortalCaller| patient.sub.to_string())
                    .post(async |patient: PortalCaller| patient.sub.to_string()),
            )
            .service(
                web::resource("/internal/ping")
                    .get(async |caller: ServiceCaller| caller.sub.clone()),
            )
            .service(web::resource("/ip").get(async |ip: ClientIp| ip.0.to_string()))
            .service(web::resource("/number/{n}").get(async |n: Path<u32>| n.to_string()))
            .service(web::resource("/panic").get(panics))
            .service(web::resource("/broken").get(broken))
            .service(web::resource("/slow").post(slow))
            .service(web::resource("/money").post(money))
            .service(web::resource("/upload").post(upload))
            .service(
                web::resource("/impatient")
                    .app_data(BodyLimits {
                        deadline: Duration::from_secs(3),
                        grace: Duration::from_secs(1),
                        ..BodyLimits::default()
                    })
                    .post(create_order),
            );
    }
}

#[derive(Deserialize)]
struct Order {
    phone: PhoneNumber,
    currency: Currency,
    quantity: u32,
    note: Option<String>,
}

async fn create_order(order: Json<Order>) -> HttpResponse {
    HttpResponse::Created().json(json!({
        "phone": order.phone.e164(), "currency": order.currency.code(), "quantity": order.quantity, "note": order.note,
    }))
}

async fn panics() -> HttpResponse {
    panic!("a bug with SELECT * FROM secrets")
}

async fn broken() -> Result<HttpResponse, ApiError> {
    Err(ApiError::internal(anyhow::anyhow!("SELECT * FROM secrets")))
}

/// Reads a body of any size as it comes, as uploads do.
async fn upload(mut payload: web::Payload) -> Result<HttpResponse, actix_web::Error> {
    let mut size = 0;
    while let Some(chunk) = payload.next().await {
        size += chunk?.len();
    }
    Ok(HttpResponse::Ok().body(size.to_string()))
}

/// Takes two seconds between its two steps.
async fn slow(state: Data<State>) -> HttpResponse {
    tokio::time::sleep(Duration::from_secs(2)).await;
    state.finished.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().body("done")
}

#[derive(Deserialize)]
struct Payment {
    name: String,
    #[serde(default)]
    fail: bool,
}

async fn money(
    state: Data<State>,
    caller: Caller,
    key: Key,
    body: JsonBytes<Payment>,
) -> Result<HttpResponse, ApiError> {
    let hash = idempotency::body_hash(&body.bytes);
    let subject = caller.sub.to_string();
    let stored = state
        .stack
        .db
        .transaction(async |conn| {
            idempotency::run(
                conn,
                (&subject, "POST /money"),
                &key.0,
                &hash,
                async |conn| {
                    let id = uuid::Uuid::now_v7();
                    diesel::sql_query(format!(
                        "INSERT INTO things VALUES ('{id}', '{}')",
                        body.value.name
                    ))
                    .execute(conn)
                    .await?;
                    if body.value.fail {
                        return Err(ApiError::conflict("things.refused", "No."));
                    }
                    Stored::json(StatusCode::CREATED, &json!({"id": id}))
                        .map_err(ApiError::internal)
                },
            )
            .await
        })
        .await?;
    Ok(stored.into_response())
}
