use serde_json::json;
use service_auth::testing::bad_tokens;

use crate::support::{Answer, Clinic};

const ROUTES: [(&str, &str); 6] = [
    ("POST", "/crazyminer/patient/request/"),
    ("POST", "/crazyminer/patient/verify/"),
    ("GET", "/crazyminer/patient/data/"),
    ("GET", "/crazyminer/patient/requests/"),
    ("GET", "/crazyminer/patient/grants/"),
    ("POST", "/crazyminer/patient/revoke/"),
];
const INTERNAL: [(&str, &str); 2] = [
    ("GET", "/internal/grants?phone=09123456789"),
    (
        "POST",
        "/internal/grants/01900000-0000-7000-8000-000000000001/revoke",
    ),
];

async fn status(clinic: &Clinic, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let request = clinic
        .service
        .request(method.parse().unwrap(), path)
        .json(&json!({}));
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    // A head too large to be read may end the connection before the answer.
    let Ok(response) = request.send().await else {
        return (431, String::new());
    };
    let answer = Answer::of(response).await;
    (
        answer.status.as_u16(),
        answer.header("www-authenticate").to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_every_bad_token_is_refused_on_every_route() {
    let clinic = Clinic::open().await;
    let bad = bad_tokens(&clinic.service.issuer);
    assert!(bad.len() >= 80);
    for (method, path) in ROUTES.into_iter().chain(INTERNAL) {
        let (none, challenge) = status(&clinic, method, path, None).await;
        assert_eq!(
            (none, challenge.as_str()),
            (401, "Bearer realm=\"api\""),
            "{method} {path} without a token"
        );
        // To a person's route another service's token is bad, to an internal one it is the right one.
        let internal = path.starts_with("/internal/");
        for (name, token) in bad
            .iter()
            .filter(|(name, _)| !internal || *name != "a service token")
        {
            let (answer, _) = status(&clinic, method, path, Some(token)).await;
            assert!(
                matches!(answer, 401 | 400 | 431),
                "{method} {path} with {name}: {answer}"
            );
        }
    }
    assert!(clinic.codes.lock().sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a4_a_persons_token_opens_nothing_internal_and_a_services_nothing_else() {
    let clinic = Clinic::open().await;
    let person = clinic.doctor_token();
    for (method, path) in INTERNAL {
        assert_eq!(
            status(&clinic, method, path, Some(&person)).await.0,
            401,
            "{path}"
        );
    }
    let service = clinic.service.issuer.service("portal");
    let patient = clinic.service.issuer.portal(|_| {});
    for (method, path) in ROUTES {
        assert_eq!(
            status(&clinic, method, path, Some(&service)).await.0,
            401,
            "{path}"
        );
        assert_eq!(
            status(&clinic, method, path, Some(&patient)).await.0,
            401,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a6_a_revoked_session_is_refused() {
    use common_types::{events::auth::RevocationKind, internal::auth::Revocation};
    let clinic = Clinic::open().await;
    let session = uuid::Uuid::now_v7();
    let token = clinic.token(|claims| {
        claims.sub = clinic.doctor;
        claims.sid = session;
        claims.org = Some(clinic.organization);
        claims.clinic_role = Some(common_types::ClinicRole::Doctor);
    });
    assert_eq!(
        clinic
            .get("/crazyminer/patient/requests/", &token)
            .await
            .status,
        200
    );
    clinic
        .service
        .stack
        .verifier
        .revocations()
        .apply(&Revocation {
            kind: RevocationKind::Session,
            id: session,
            not_before: 0,
            expires_at: chrono::Utc::now() + chrono::TimeDelta::hours(1),
        });
    assert_eq!(
        clinic
            .get("/crazyminer/patient/requests/", &token)
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_z1_the_document_names_every_route_and_no_other() {
    let clinic = Clinic::open().await;
    let document = Answer::of(clinic.service.get("/openapi.json").send().await.unwrap())
        .await
        .body;
    let mut named: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    named.sort();
    let mut served: Vec<_> = ROUTES.iter().map(|(_, path)| (*path).to_owned()).collect();
    served.sort();
    assert_eq!(named, served);
    for (method, path) in ROUTES {
        let other = if method == "GET" { "DELETE" } else { "GET" };
        let refused = clinic
            .service
            .request(other.parse().unwrap(), path)
            .send()
            .await
            .unwrap();
        let refused = Answer::of(refused).await;
        assert_eq!(refused.status, 405);
        assert_eq!(
            refused.body["detail"],
            format!("Method \"{other}\" not allowed.")
        );
        assert_eq!(refused.header("allow"), method);
    }
}
