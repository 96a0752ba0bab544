use common_types::{ClinicRole, Clock};
use reqwest::Response;
use serde_json::Value;
use service_audit::{ActorKind, AuditEntry, record, seal_pending};
use service_testing::TestService;
use uuid::Uuid;

use crate::fixture::Fixture;

async fn get(service: &TestService<Fixture>, path: &str, token: &str) -> Response {
    service
        .get(&format!("/api/admin/fixture/{path}"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
}

async fn json(service: &TestService<Fixture>, path: &str, token: &str) -> Value {
    let response = get(service, path, token).await;
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

fn superuser(service: &TestService<Fixture>) -> String {
    service.issuer.access(|claims| claims.superuser = true)
}

fn admin_of(service: &TestService<Fixture>, organization: Uuid) -> String {
    service.issuer.access(|claims| {
        claims.org = Some(organization);
        claims.clinic_role = Some(ClinicRole::Admin);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_for_superusers() {
    let service = TestService::<Fixture>::start().await;
    let others = [
        service.issuer.access(|_| {}),
        admin_of(&service, Uuid::now_v7()),
        service.issuer.access(|claims| {
            claims.org = Some(Uuid::now_v7());
            claims.clinic_role = Some(ClinicRole::Doctor);
        }),
    ];
    for path in ["settings", "outbox", "dead-letters", "audit/chain"] {
        assert_eq!(
            service
                .get(&format!("/api/admin/fixture/{path}"))
                .send()
                .await
                .unwrap()
                .status(),
            401
        );
        for token in &others {
            assert_eq!(get(&service, path, token).await.status(), 403, "{path}");
        }
        assert_eq!(
            get(&service, path, &superuser(&service)).await.status(),
            200,
            "{path}"
        );
    }
    let missing = format!("dead-letters/{}", Uuid::now_v7());
    assert_eq!(
        get(&service, &missing, &superuser(&service)).await.status(),
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_shown_without_secrets() {
    let service = TestService::<Fixture>::start().await;
    let shown = json(&service, "settings", &superuser(&service)).await;
    let text = shown["settings"].as_str().unwrap();
    assert!(text.contains("public_url: \"http://tabib.test\""), "{text}");
    assert!(
        !text.contains("test-client-secret") && !text.contains("test-client-ip-key"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_an_admin_reads_the_trail_of_their_own_clinic_only() {
    let service = TestService::<Fixture>::start().await;
    let (ours, theirs) = (Uuid::now_v7(), Uuid::now_v7());
    let patient = Uuid::now_v7();
    let mut conn = service.database.db.get().await.unwrap();
    for n in 0..5 {
        let organization = if n == 4 { theirs } else { ours };
        let now = service.clock.now() + chrono::TimeDelta::seconds(n);
        let entry = AuditEntry::new(format!("user-{n}"), ActorKind::User, "patient.viewed", now)
            .subject("patient", if n == 0 { patient } else { Uuid::now_v7() })
            .organization(Some(organization));
        record(&mut conn, entry).await.unwrap();
    }
    let admin = admin_of(&service, ours);
    let first = json(&service, "audit?limit=3", &admin).await;
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let second = json(&service, &format!("audit?limit=3&cursor={cursor}"), &admin).await;
    let actors = |page: &Value| -> Vec<String> {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["actor"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(actors(&first), ["user-3", "user-2", "user-1"]);
    assert_eq!(actors(&second), ["user-0"]);
    assert_eq!(second["next_cursor"], Value::Null);
    let foreign = json(&service, &format!("audit?organization={theirs}"), &admin).await;
    assert_eq!(
        foreign["results"].as_array().unwrap().len(),
        4,
        "the parameter is not theirs to use"
    );
    let one = json(&service, &format!("audit?subject={patient}"), &admin).await;
    assert_eq!(actors(&one), ["user-0"]);
    let all = json(&service, "audit", &superuser(&service)).await;
    assert_eq!(all["results"].as_array().unwrap().len(), 5);
    assert_eq!(get(&service, "audit?cursor=x", &admin).await.status(), 400);

    seal_pending(&mut conn, None, service.clock.now())
        .await
        .unwrap();
    let chain = json(&service, "audit/chain", &superuser(&service)).await;
    assert_eq!(chain["intact"], true);
    assert_eq!(chain["report"]["sealed_entries"], 5);
}
