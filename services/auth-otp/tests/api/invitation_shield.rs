//! Invitations stop and cost as codes do: kill switches at run time, ceilings of money.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{App, accept_messages, text};
use crate::invitations::{PATH, invite, organization, wish};
use crate::organizations::{ADMIN, seeded};
use crate::shield::{SHIELD, operator, sent};

fn another(organization: &Value, phone: &str) -> Value {
    json!({"organization": organization, "phone_number": phone, "role": "viewer"})
}

#[tokio::test]
async fn a_switch_stops_invitations_too() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let number = organization(&app, &admin).await;
    let operator = operator(&app).await;
    let made = invite(&app, &admin, wish(&number)).await;
    let resend = format!("{PATH}{}/resend/", text(&made, "id"));
    app.advance(121);
    let before = sent(&app).await;
    let claims = crate::harness::claims(&admin);
    let own = format!("organization:{}", text(&claims, "org"));
    for scope in ["all", "purpose:invitation", &own] {
        let switch = format!("{SHIELD}switches/{scope}/");
        let why = json!({"reason": "SMS pumping", "seconds": 600});
        app.call(Method::PUT, &switch, &operator, why)
            .await
            .expect(200);
        for (path, body) in [
            (PATH, another(&number, "09351112244")),
            (&resend, Value::Null),
        ] {
            let stopped = app.call(Method::POST, path, &admin, body).await;
            assert_eq!(stopped.header("retry-after"), Some("600"), "{scope} {path}");
            stopped.expect(503);
        }
        app.call(Method::DELETE, &switch, &operator, Value::Null)
            .await
            .expect(204);
    }
    assert_eq!(sent(&app).await, before);
    app.call(Method::POST, &resend, &admin, Value::Null)
        .await
        .expect(200);
    assert_eq!(sent(&app).await, before + 1);
}

#[tokio::test]
async fn invitations_spend_the_organisations_money_and_a_refused_one_nothing() {
    let app = App::start_with(&[
        ("SHIELD__RIAL_PER_SMS", "100"),
        ("SHIELD__ORGANIZATION_RIAL_PER_DAY", "200"),
    ])
    .await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let admin = app.access(ADMIN).await;
    let number = organization(&app, &admin).await;
    // Neither a second invitation of one phone nor a message that nobody took costs anything.
    invite(&app, &admin, another(&number, "09351112201")).await;
    app.call(Method::POST, PATH, &admin, another(&number, "09351112201"))
        .await
        .expect(409);
    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    let failed = invite(&app, &admin, another(&number, "09351112202")).await;
    assert_eq!(failed["delivery"], "failed");
    app.inbox.reset().await;
    accept_messages(&app.inbox).await;
    let second = invite(&app, &admin, another(&number, "09351112203")).await;
    assert_eq!(second["delivery"], "sent");
    let third = app
        .call(Method::POST, PATH, &admin, another(&number, "09351112204"))
        .await;
    assert!(third.header("retry-after").is_some());
    third.expect(429);
    assert_eq!(sent(&app).await, 1);
    // Nothing was stored for it: tomorrow the phone can be invited.
    app.advance(86_400);
    let refreshed = app.access(ADMIN).await;
    invite(&app, &refreshed, another(&number, "09351112204")).await;
}
