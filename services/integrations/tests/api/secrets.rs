//! Canaries: what is secret must not be found where it does not belong.

use common_types::ClinicRole;
use diesel_async::RunQueryDsl;
use serde_json::json;

use crate::support::{KAVENEGAR_KEY, WEBHOOK_SECRET, World, answer, sms};

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    row: String,
}

/// Every row of every table, as text.
async fn everything(world: &World) -> Vec<String> {
    let mut conn = world.service.database.db.get().await.unwrap();
    let mut all = Vec::new();
    for table in [
        "providers",
        "provider_credentials",
        "integration_logs",
        "webhook_endpoints",
        "webhook_rejections",
        "messages",
        "message_attempts",
        "message_templates",
        "sms_callbacks",
        "sms_inbound",
        "sms_usage",
        "ai_calls",
        "usage_counters",
        "outbox_events",
        "audit_entries",
    ] {
        let rows: Vec<Row> = diesel::sql_query(format!("SELECT t::text AS row FROM {table} t"))
            .load(&mut conn)
            .await
            .unwrap();
        all.extend(rows.into_iter().map(|row| format!("{table}: {}", row.row)));
    }
    all
}

#[tokio::test]
async fn q_no_secret_rests_in_a_row_or_an_event() {
    let world = World::with_kavenegar().await;
    let token = world.staff(ClinicRole::Secretary);
    world
        .send(&sms("k1", "synchronous", "otp", "canary-code-918273"))
        .await;
    world
        .send(&sms("k2", "queued", "credentials", "canary-password-zyx"))
        .await;
    let text = json!({"receptor": "09120000010", "message": "canary-text"});
    answer(
        world
            .service
            .post("/api/integrations/sms/send/")
            .bearer_auth(&token)
            .json(&text),
    )
    .await;
    let prompt = json!({"prompt": "canary-prompt about a headache"});
    answer(
        world
            .service
            .post("/api/integrations/ai/generate/")
            .bearer_auth(&token)
            .json(&prompt),
    )
    .await;
    let rows = everything(&world).await;
    assert!(rows.len() > 20);
    for secret in [
        "canary-code-918273",
        "canary-password-zyx",
        "canary-text",
        "canary-prompt",
        KAVENEGAR_KEY,
        WEBHOOK_SECRET,
        "9120000010",
    ] {
        let found: Vec<&String> = rows.iter().filter(|row| row.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} in {found:?}");
    }
    let logs = world
        .service
        .get("/api/integrations/logs/")
        .bearer_auth(world.superuser());
    let (_, logs) = answer(logs).await;
    assert!(logs["count"].as_i64().unwrap() >= 3 && !logs.to_string().contains("canary"));
}

#[tokio::test]
async fn production_refuses_the_stand_ins() {
    use integrations::{Integrations, Settings};
    use service_config::{Sources, load_with_aliases};
    use service_http::ServiceDefinition;
    let common = [
        ("INTEGRATIONS__DATABASE__URL", "postgres://a@b/c"),
        ("INTEGRATIONS__REDIS__URL", "redis://b"),
        ("INTEGRATIONS__AMQP__URL", "amqp://b"),
        (
            "INTEGRATIONS__AUTH__CLIENT_SECRET",
            "0123456789abcdef0123456789abcdef",
        ),
        (
            "INTEGRATIONS__AUTH__CLIENT_IP_KEY",
            "0123456789abcdef0123456789abcdef",
        ),
        ("INTEGRATIONS__SEALING__ACTIVE_KEY_ID", "k1"),
        (
            "INTEGRATIONS__SEALING__KEYS__K1",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
    ];
    let with = |extra: &[(&'static str, &'static str)]| {
        let sources = Sources::from_map(common.iter().chain(extra).copied());
        load_with_aliases::<Settings>(
            "integrations",
            Integrations::DEFAULTS_TOML,
            sources,
            Integrations::ALIASES,
        )
    };
    let production = with(&[]).unwrap();
    assert!(
        !production.stand_ins(),
        "production is the default and has none"
    );
    let refused = with(&[("INTEGRATIONS__DEVELOPMENT__STAND_INS", "true")])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("development.stand_ins"), "{refused}");
    assert!(
        with(&[("TABIB_ENVIRONMENT", "development")])
            .unwrap()
            .stand_ins()
    );
    let old = with(&[
        ("KAVENEGAR_API_KEY", "k"),
        ("KAVENEGAR_SENDER", "1"),
        ("OPENAI_DEFAULT_MODEL", "m"),
    ])
    .unwrap();
    assert_eq!(
        (
            old.kavenegar.sender.as_str(),
            old.openai.default_model.as_str()
        ),
        ("1", "m")
    );
    assert!(old.kavenegar.api_key.is_some());
    // seeds.md 1.9 row 21: all three names, in this order of precedence.
    let names = [
        ("KAVENEGAR_COM_API_KEY", "com"),
        ("KAVENEGAR_API_KEY", "plain"),
        ("KAVEH_NEGAR_API_KEY", "kaveh"),
    ];
    for first in 0..names.len() {
        let set = with(&names[first..]).unwrap();
        assert_eq!(set.kavenegar.api_key.unwrap().expose(), names[first].1);
    }
    let warned = service_config::alias_conflicts(&Sources::from_map(names), Integrations::ALIASES);
    assert_eq!(warned.len(), 2, "{warned:?}");
    let unknown = with(&[("INTEGRATIONS__SMTPP__URL", "x")])
        .unwrap_err()
        .to_string();
    assert!(unknown.to_lowercase().contains("smtpp"), "{unknown}");
}

#[tokio::test]
async fn a_sealing_key_is_retired_without_a_gap() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use integrations::Integrations;
    use provider_simulators::sandbox::signature;
    use service_testing::ServiceSetup;
    let world = World::with_kavenegar().await;
    assert_eq!(
        world.send(&sms("k1", "synchronous", "otp", "1234")).await.0,
        200
    );
    let under_old = "SELECT count(*) FROM (SELECT value_sealed v FROM provider_credentials UNION ALL \
        SELECT secret_sealed FROM webhook_endpoints UNION ALL SELECT secret_sealed FROM sms_callbacks) q \
        WHERE q.v LIKE 'v1.k1.%'";
    let before: i64 = world.text_of(under_old).await.unwrap().parse().unwrap();
    assert!(before >= 5, "{before}");
    assert_eq!(
        world.service.state.reseal().await.unwrap(),
        0,
        "all are current"
    );

    let base_url = &world.simulators.base_url;
    let process = |keys: Vec<(&'static str, u8)>| {
        let mut setup = ServiceSetup::new()
            .set("sealing.active_key_id", "k2")
            .set("peers.simulators", base_url)
            .set("webhooks.payment_status_secret", WEBHOOK_SECRET)
            .set("kavenegar.base_url", format!("{base_url}/kavenegar"))
            .issuer(world.service.issuer.clone())
            .database(world.service.database.clone());
        for (id, byte) in keys {
            setup = setup.set(&format!("sealing.keys.{id}"), STANDARD.encode([byte; 32]));
        }
        setup.start::<Integrations>()
    };
    let both = process(vec![("k1", 7), ("k2", 9)]).await;
    let done = both.state.reseal().await.unwrap();
    assert!(i64::try_from(done).unwrap() >= before, "{done} of {before}");
    assert_eq!(world.text_of(under_old).await.as_deref(), Some("0"));
    assert_eq!(both.state.reseal().await.unwrap(), 0);

    let only_new = process(vec![("k2", 9)]).await;
    let send = only_new
        .post("/internal/messages/")
        .bearer_auth(only_new.issuer.service("auth-otp"));
    let (status, sent) = answer(send.json(&sms("k2", "synchronous", "otp", "5678"))).await;
    assert_eq!(
        (status, &sent["provider"]),
        (200, &json!("kavenegar")),
        "its key is read under the new one: {sent}"
    );
    let body =
        json!({"event": "payment.success", "id": "e1", "data": {"payment_id": "p"}}).to_string();
    let posted = only_new
        .post("/api/integrations/webhook/payment-status/")
        .header("x-signature", signature(WEBHOOK_SECRET, body.as_bytes()));
    assert_eq!(answer(posted.body(body)).await.0, 200);
}
