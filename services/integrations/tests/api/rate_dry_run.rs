//! What a rule would have refused.

use common_types::ClinicRole;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    ai_support::{AiWorld, KEY, question},
    rate_rules::{add, call, rule},
    support::answer,
};

#[tokio::test]
async fn i22_a_dry_run_tells_what_a_rule_would_have_refused() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let world = &ai.world;
    for _ in 0..5 {
        assert_eq!(answer(ai.chat(KEY, &question("gpt-4", "x"))).await.0, 200);
    }
    let admin = world.admin();
    for (pattern, scope, calls, refused) in [
        ("text_generation", "organization", 5, 3),
        ("/v1/chat/*", "ip", 5, 3),
        ("/api/integrations/*", "global", 0, 0),
    ] {
        let (status, report) = call(
            world,
            Method::POST,
            &admin,
            "dry-run/?days=1",
            &rule(pattern, 2, 3_600, scope),
        )
        .await;
        assert_eq!(
            (status, &report["calls"], &report["refused"]),
            (200, &json!(calls), &json!(refused)),
            "{pattern}: {report}"
        );
    }
    let id = add(
        world,
        &admin,
        &rule("text_generation", 4, 3_600, "organization"),
    )
    .await;
    let (_, report) = call(
        world,
        Method::GET,
        &admin,
        &format!("{id}/dry-run/"),
        &json!({}),
    )
    .await;
    assert_eq!(
        (&report["refused"], &report["most_refused"][0]["calls"]),
        (&json!(1), &json!(5)),
        "{report}"
    );
    let foreign = world.token(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    let (_, report) = call(
        world,
        Method::POST,
        &foreign,
        "dry-run/",
        &rule("text_generation", 2, 60, "global"),
    )
    .await;
    assert_eq!(
        report["calls"], 0,
        "nobody sees another organisation's calls"
    );
}
