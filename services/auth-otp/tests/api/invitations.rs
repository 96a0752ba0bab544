//! Invitations by phone: who may invite, who may accept, what ends an offer, what bounds the text messages.

use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::harness::{App, text};
use crate::organizations::{ADMIN, DOCTOR, WRITER, seeded};

const INVITED: &str = "09351112233";
const INVITED_E164: &str = "+989351112233";
pub(crate) const PATH: &str = "/api/auth/invitations/";

pub(crate) async fn organization(app: &App, token: &str) -> Value {
    app.get("/api/auth/organizations/", token).await.expect(200)["results"][0]["id"].clone()
}

pub(crate) fn wish(organization: &Value) -> Value {
    json!({"organization": organization, "phone_number": INVITED, "clinic_role": "doctor",
        "role": "writer", "license_number": "98765", "language": "fa"})
}

pub(crate) async fn invite(app: &App, token: &str, body: Value) -> Value {
    app.call(Method::POST, PATH, token, body).await.expect(201)
}

#[tokio::test]
async fn an_invited_phone_accepts_after_its_own_login_code() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let organization = organization(&app, &admin).await;
    let made = invite(&app, &admin, wish(&organization)).await;
    assert_eq!(
        (&made["state"], &made["delivery"], &made["phone_number"]),
        (&json!("pending"), &json!("sent"), &json!(INVITED_E164))
    );
    let sms = app.last_sms(INVITED_E164).await;
    let words = sms["text"].as_str().unwrap();
    assert!(
        words.contains("درمانگاه نمونه طبیب") && words.contains("پزشک"),
        "{words}"
    );
    assert_eq!(sms["mode"], "queued");

    let login = app.log_in(INVITED).await;
    let access = text(&login, "access");
    let mine = app.get(&format!("{PATH}mine/"), &access).await.expect(200);
    assert_eq!(
        (&mine["count"], &mine["results"][0]["id"]),
        (&json!(1), &made["id"])
    );
    let accept = format!("{PATH}{}/accept/", text(&made, "id"));
    let accepted = app
        .call(Method::POST, &accept, &access, Value::Null)
        .await
        .expect(200);
    assert_eq!(accepted["state"], "accepted");
    // The old token is over; the next one carries the roles.
    app.get("/api/auth/me/", &access).await.expect(401);
    let refresh = json!({"refresh": text(&login, "refresh")});
    let pair = app
        .post("/api/auth/token/refresh/", refresh)
        .await
        .expect(200);
    let access = text(&pair, "access");
    let me = app.get("/api/auth/me/", &access).await.expect(200);
    assert_eq!(
        (&me["clinic_role"], &me["content_role"], &me["organization"]),
        (&json!("doctor"), &json!("writer"), &organization)
    );
    let member = app
        .get("/api/auth/organization-members/?clinic_role=doctor", &admin)
        .await
        .expect(200);
    let member = member["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|member| member["user"]["phone_number"] == INVITED_E164)
        .unwrap()
        .clone();
    assert_eq!(member["license_number"], "98765");
    assert!(member["doctor_approved_at"].is_string());
    app.call(Method::POST, &accept, &access, Value::Null)
        .await
        .expect(409);
    app.call(Method::POST, PATH, &admin, wish(&organization))
        .await
        .expect(400);
}

#[tokio::test]
async fn nobody_else_accepts_and_no_password_session() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let organization = organization(&app, &admin).await;
    let made = invite(&app, &admin, wish(&organization)).await;
    let accept = format!("{PATH}{}/accept/", text(&made, "id"));
    let missing = format!("{PATH}{}/accept/", uuid::Uuid::now_v7());
    let stranger = app.access("09350000009").await;
    let (foreign, absent) = (
        app.call(Method::POST, &accept, &stranger, Value::Null)
            .await
            .expect(404),
        app.call(Method::POST, &missing, &stranger, Value::Null)
            .await
            .expect(404),
    );
    assert_eq!(foreign["detail"], absent["detail"]);
    assert_eq!(foreign["code"], absent["code"]);
    // An account with that phone whose password an admin chose: the password proves no phone.
    let body = json!({"username": "trojan", "password": "corneille-violette-82", "phone_number": INVITED,
        "role": "secretary"});
    app.call(Method::POST, "/api/auth/users/", &admin, body)
        .await
        .expect(201);
    let body = json!({"username": "trojan", "password": "corneille-violette-82"});
    let login = app.post("/api/auth/token/", body).await.expect(200);
    let access = text(&login, "access");
    let refused = app
        .call(Method::POST, &accept, &access, Value::Null)
        .await
        .expect(403);
    assert_eq!(refused["code"], "auth.phone_not_proved");
    let mine = app.get(&format!("{PATH}mine/"), &access).await.expect(200);
    assert_eq!(mine["count"], 0);
}

#[tokio::test]
async fn only_admins_invite_and_only_clinic_admins_into_the_clinic() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let organization = organization(&app, &admin).await;
    for phone in [DOCTOR, WRITER] {
        let token = app.access(phone).await;
        app.call(Method::POST, PATH, &token, wish(&organization))
            .await
            .expect(403);
    }
    let stranger = app.access("09350000009").await;
    let foreign = app
        .call(Method::POST, PATH, &stranger, wish(&organization))
        .await
        .expect(400);
    assert!(foreign["organization"].is_array());
    // A content admin invites into the workshop, not into the clinic.
    let body = json!({"name": "own", "slug": "own"});
    let own = app
        .call(Method::POST, "/api/auth/organizations/", &stranger, body)
        .await
        .expect(201)["id"]
        .clone();
    app.call(Method::POST, PATH, &stranger, wish(&own))
        .await
        .expect(403);
    let body = json!({"organization": own, "phone_number": INVITED, "role": "editor"});
    let made = invite(&app, &stranger, body).await;
    for (body, field) in [
        (json!({}), "organization"),
        (
            json!({"organization": own, "role": "viewer"}),
            "phone_number",
        ),
        (
            json!({"organization": own, "phone_number": "12", "role": "viewer"}),
            "phone_number",
        ),
        (
            json!({"organization": own, "phone_number": INVITED}),
            "role",
        ),
        (
            json!({"organization": own, "phone_number": INVITED, "role": "boss"}),
            "role",
        ),
        (
            json!({"organization": own, "phone_number": INVITED, "role": "viewer", "language": "de"}),
            "language",
        ),
    ] {
        let answer = app
            .call(Method::POST, PATH, &stranger, body.clone())
            .await
            .expect(400);
        assert!(answer[field].is_array(), "{body}: {answer}");
    }
    // Another organisation's invitations are not there.
    let doctor = app.access(DOCTOR).await;
    let one = format!("{PATH}{}/", text(&made, "id"));
    app.get(&one, &doctor).await.expect(404);
    for action in ["resend", "revoke"] {
        app.call(
            Method::POST,
            &format!("{one}{action}/"),
            &doctor,
            Value::Null,
        )
        .await
        .expect(404);
    }
    assert_eq!(app.get(PATH, &doctor).await.expect(200)["count"], 0);
    app.get(&one, &stranger).await.expect(200);
}

#[tokio::test]
async fn an_offer_ends_with_its_time_by_revocation_and_with_its_inviter() {
    let app = seeded().await;
    let admin = app.access(ADMIN).await;
    let organization = organization(&app, &admin).await;
    let made = invite(&app, &admin, wish(&organization)).await;
    app.call(Method::POST, PATH, &admin, wish(&organization))
        .await
        .expect(409);
    let one = format!("{PATH}{}/", text(&made, "id"));
    let revoked = app
        .call(Method::POST, &format!("{one}revoke/"), &admin, Value::Null)
        .await
        .expect(200);
    assert_eq!(revoked["state"], "revoked");
    let accept = |made: &Value| format!("{PATH}{}/accept/", text(made, "id"));
    let access = app.access(INVITED).await;
    app.call(Method::POST, &accept(&made), &access, Value::Null)
        .await
        .expect(409);
    for action in ["revoke", "resend"] {
        app.call(
            Method::POST,
            &format!("{one}{action}/"),
            &admin,
            Value::Null,
        )
        .await
        .expect(409);
    }

    let late = invite(&app, &admin, wish(&organization)).await;
    app.advance(8 * 86_400);
    app.settled().await;
    let access = app.access(INVITED).await;
    let admin = app.access(ADMIN).await;
    app.call(Method::POST, &accept(&late), &access, Value::Null)
        .await
        .expect(409);
    let count = async |query: &str| {
        app.get(&format!("{PATH}?{query}"), &admin)
            .await
            .expect(200)["count"]
            .clone()
    };
    assert_eq!(count("state=expired").await, 1);
    assert_eq!(count("state=pending").await, 0);
    assert_eq!(count("state=revoked").await, 1);
    assert_eq!(count("search=9351112").await, 2);
    assert_eq!(count("search=0000").await, 0);
    app.get(&format!("{PATH}?state=lost"), &admin)
        .await
        .expect(400);

    // Sent again, it lives again; without its inviter's right it does not.
    let body = json!({"phone_number": "09352223344", "clinic_role": "admin", "organization": organization});
    let other = app
        .call(
            Method::POST,
            "/api/auth/organization-members/",
            &admin,
            body,
        )
        .await
        .expect(201);
    let inviter = app.access("09352223344").await;
    let mut body = wish(&organization);
    body["phone_number"] = json!("09353334455");
    let offer = invite(&app, &inviter, body).await;
    let path = format!("/api/auth/organization-members/{}/", other["id"]);
    app.call(Method::DELETE, &path, &admin, Value::Null)
        .await
        .expect(204);
    let access = app.access("09353334455").await;
    app.call(Method::POST, &accept(&offer), &access, Value::Null)
        .await
        .expect(409);
    let again = format!("{PATH}{}/resend/", text(&late, "id"));
    let renewed = app
        .call(Method::POST, &again, &admin, Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&renewed["state"], &renewed["sends"]),
        (&json!("pending"), &json!(2))
    );
    let access = app.access(INVITED).await;
    let decline = format!("{PATH}{}/decline/", text(&late, "id"));
    let declined = app
        .call(Method::POST, &decline, &access, Value::Null)
        .await
        .expect(200);
    assert_eq!(declined["state"], "declined");
    app.call(Method::POST, &accept(&late), &access, Value::Null)
        .await
        .expect(409);
}

#[tokio::test]
async fn text_messages_are_bounded_and_a_refused_one_is_not_charged() {
    let app = App::start_with(&[
        ("INVITATIONS__PHONE_PER_DAY", "2"),
        ("INVITATIONS__INVITER_PER_DAY", "4"),
    ])
    .await;
    auth_otp::setup::seed(&app.state, "demo").await.unwrap();
    let admin = app.access(ADMIN).await;
    let organization = organization(&app, &admin).await;
    let made = invite(&app, &admin, wish(&organization)).await;
    let resend = format!("{PATH}{}/resend/", text(&made, "id"));
    let soon = app.call(Method::POST, &resend, &admin, Value::Null).await;
    assert!(soon.header("retry-after").is_some());
    soon.expect(429);
    app.advance(121);
    app.settled().await;
    app.call(Method::POST, &resend, &admin, Value::Null)
        .await
        .expect(200);
    app.advance(121);
    app.settled().await;
    app.call(Method::POST, &resend, &admin, Value::Null)
        .await
        .expect(429);

    app.inbox.reset().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(502).set_body_json(json!({"state": "refused"})))
        .mount(&app.inbox)
        .await;
    let other =
        json!({"organization": organization, "phone_number": "09354445566", "role": "viewer"});
    let made = invite(&app, &admin, other).await;
    assert_eq!(
        (&made["delivery"], &made["sends"]),
        (&json!("failed"), &json!(0))
    );
    app.inbox.reset().await;
    crate::harness::accept_messages(&app.inbox).await;
    let resend = format!("{PATH}{}/resend/", text(&made, "id"));
    let sent = app
        .call(Method::POST, &resend, &admin, Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&sent["delivery"], &sent["sends"]),
        (&json!("sent"), &json!(1))
    );
    for (phone, status) in [("09355556677", 201), ("09356667788", 429)] {
        let body = json!({"organization": organization, "phone_number": phone, "role": "viewer"});
        app.call(Method::POST, PATH, &admin, body)
            .await
            .expect(status);
    }
}
