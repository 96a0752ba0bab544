//! The template registry over HTTP: own entries, the platform's, languages.

use common_types::ClinicRole;
use serde_json::{Value, json};

use crate::support::{World, sms};

const ROOT: &str = "/api/integrations/templates/";

#[tokio::test]
async fn admins_keep_their_own_entries_and_superusers_the_platforms() {
    let world = World::start().await;
    let admin = world.admin();
    let entry = json!({"key": "visit", "language": "fa", "value": "نوبت شما: %token"});
    let (status, own) = world.call("POST", ROOT, &admin, &entry).await;
    assert_eq!(
        (status, &own["organization_id"]),
        (201, &json!(world.organization)),
        "{own}"
    );
    let (status, again) = world.call("POST", ROOT, &admin, &entry).await;
    assert_eq!((status, again["key"].is_array()), (400, true), "{again}");
    let mut platform = entry.clone();
    platform["platform"] = json!(true);
    assert_eq!(world.call("POST", ROOT, &admin, &platform).await.0, 403);
    let (status, shared) = world
        .call("POST", ROOT, &world.superuser(), &platform)
        .await;
    assert_eq!(
        (status, &shared["organization_id"]),
        (201, &Value::Null),
        "{shared}"
    );
    let path = |row: &Value| format!("{ROOT}{}/", row["id"].as_str().unwrap());
    let change = json!({"value": "وقت شما: %token"});
    assert_eq!(
        world.call("PATCH", &path(&shared), &admin, &change).await.0,
        403
    );
    let (status, changed) = world.call("PATCH", &path(&own), &admin, &change).await;
    assert_eq!((status, &changed["value"]), (200, &change["value"]));
    let stranger = world.token(|claims| {
        claims.org = Some(uuid::Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    assert_eq!(
        world
            .call("GET", &path(&own), &stranger, &Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        world
            .call("DELETE", &path(&own), &stranger, &Value::Null)
            .await
            .0,
        404
    );
    let (_, listed) = world
        .call(
            "GET",
            &format!("{ROOT}?search=visi&ordering=-updated_at"),
            &admin,
            &Value::Null,
        )
        .await;
    assert_eq!(listed["count"], 2, "{listed}");
    let (_, listed) = world
        .call(
            "GET",
            &format!("{ROOT}?search=visit"),
            &stranger,
            &Value::Null,
        )
        .await;
    assert_eq!(listed["count"], 1, "the platform's only");
    assert_eq!(
        world
            .call("DELETE", &path(&own), &admin, &Value::Null)
            .await
            .0,
        204
    );
    assert_eq!(
        world.call("GET", &path(&own), &admin, &Value::Null).await.0,
        404
    );
    for (wrong, field) in [
        (
            json!({"key": "x", "provider": "parsian", "value": "name"}),
            "value",
        ),
        (
            json!({"key": "x", "provider": "kavenegar", "value": "دو کلمه"}),
            "value",
        ),
        (
            json!({"key": "x", "language": "de", "value": "a"}),
            "language",
        ),
        (
            json!({"key": "x", "provider": "email", "value": "a"}),
            "subject",
        ),
        (json!({"key": " ", "value": "a"}), "key"),
    ] {
        let (status, body) = world.call("POST", ROOT, &admin, &wrong).await;
        assert_eq!(
            (status, body[field].is_array()),
            (400, true),
            "{wrong} {body}"
        );
    }
    assert_eq!(
        world
            .call("GET", ROOT, &world.staff(ClinicRole::Doctor), &Value::Null)
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn a_template_speaks_the_messages_language_and_the_organisations_words() {
    let world = World::start().await;
    let entry = json!({"key": "verify", "language": "fr", "value": "Notre code : %token"});
    assert_eq!(
        world.call("POST", ROOT, &world.admin(), &entry).await.0,
        201
    );
    let of = |key: &str, language: &str, organization: bool| {
        let mut message = sms(key, "synchronous", "otp", "");
        message["language"] = json!(language);
        message["template"] =
            json!({"key": "verify", "tokens": {"token": "%token2", "token2": "x"}});
        if organization {
            message["organization_id"] = json!(world.organization);
        }
        message
    };
    for (key, language, own) in [
        ("a", "fa", false),
        ("b", "en", false),
        ("c", "fr", false),
        ("d", "fr", true),
    ] {
        assert_eq!(world.send(&of(key, language, own)).await.0, 200, "{key}");
    }
    let mut texts = world.inbox("09120000010");
    texts.reverse();
    assert_eq!(
        texts,
        [
            "کد تایید شما: %token2",
            "Your verification code: %token2",
            "Votre code de vérification : %token2",
            "Notre code : %token2",
        ],
        "and a value is never a placeholder"
    );
}
