//! The role matrix (cimef.md 2.8), checked before the work.

use common_types::ClinicRole::{self, Accountant, Admin, Doctor, Secretary};
use reqwest::Method;
use serde_json::json;

use crate::support::{Clinic, answer};

const ALL: [ClinicRole; 4] = [Admin, Doctor, Secretary, Accountant];

#[tokio::test]
async fn r16_each_route_knows_its_roles() {
    let clinic = Clinic::open().await;
    let (patient, invoice) = clinic.paid().await;
    let (p, i) = (patient["id"].clone(), invoice["id"].clone());
    let report = uuid::Uuid::now_v7();
    let table: Vec<(Method, String, &[ClinicRole])> = vec![
        (Method::GET, "/api/patients/".into(), &ALL),
        (
            Method::POST,
            "/api/patients/".into(),
            &[Admin, Doctor, Secretary],
        ),
        (Method::GET, format!("/api/patients/{p}/"), &ALL),
        (
            Method::PUT,
            format!("/api/patients/{p}/"),
            &[Admin, Doctor, Secretary],
        ),
        (
            Method::PATCH,
            format!("/api/patients/{p}/"),
            &[Admin, Doctor, Secretary],
        ),
        (
            Method::DELETE,
            format!("/api/patients/{p}/"),
            &[Admin, Secretary],
        ),
        (Method::POST, "/api/patients/access/generate/".into(), &ALL),
        (Method::GET, "/api/patients/access/".into(), &ALL),
        (Method::PUT, "/api/patients/access/1/".into(), &ALL),
        (Method::GET, "/api/exams/".into(), &ALL),
        (Method::POST, "/api/exams/".into(), &[Admin]),
        (Method::PUT, "/api/exams/1/".into(), &[Admin]),
        (Method::DELETE, "/api/exams/1/".into(), &[Admin]),
        (Method::GET, "/api/examinations/".into(), &ALL),
        (
            Method::POST,
            "/api/examinations/".into(),
            &[Admin, Doctor, Secretary],
        ),
        (Method::GET, "/api/invoices/".into(), &ALL),
        (
            Method::GET,
            format!("/api/invoices/{i}/"),
            &[Admin, Secretary, Accountant],
        ),
        (
            Method::POST,
            "/api/invoices/".into(),
            &[Admin, Secretary, Accountant],
        ),
        (
            Method::PATCH,
            format!("/api/invoices/{i}/"),
            &[Admin, Accountant],
        ),
        (
            Method::DELETE,
            format!("/api/invoices/{i}/"),
            &[Admin, Accountant],
        ),
        (
            Method::GET,
            format!("/api/invoices/{i}/download_pdf/"),
            &[Admin, Secretary, Accountant],
        ),
        (Method::GET, "/api/payments/".into(), &ALL),
        (
            Method::GET,
            "/api/payments/1/".into(),
            &[Admin, Secretary, Accountant],
        ),
        (
            Method::POST,
            "/api/payments/".into(),
            &[Admin, Secretary, Accountant],
        ),
        (
            Method::DELETE,
            "/api/payments/999999/".into(),
            &[Admin, Accountant],
        ),
        (
            Method::GET,
            "/api/reports/admin/".into(),
            &[Admin, Doctor, Secretary],
        ),
        (
            Method::POST,
            "/api/reports/admin/".into(),
            &[Admin, Doctor, Secretary],
        ),
        (
            Method::POST,
            format!("/api/reports/admin/{report}/toggle_active/"),
            &[Admin, Doctor, Secretary],
        ),
        (
            Method::DELETE,
            format!("/api/reports/admin/{report}/"),
            &[Admin, Doctor, Secretary],
        ),
        (Method::GET, "/api/auth/admin-stats/".into(), &[Admin]),
    ];
    let before = clinic.count("patients").await;
    for (verb, path, allowed) in &table {
        for role in ALL {
            // An empty body is refused after the role was checked.
            let answer = clinic.send(role, verb.clone(), path, json!({})).await;
            if allowed.contains(&role) {
                assert_ne!(answer.status, 403, "{role:?} {verb} {path}");
            } else {
                assert_eq!(
                    answer.status, 403,
                    "{role:?} {verb} {path}: {}",
                    answer.body
                );
                assert_eq!(answer.body["code"], "permission_denied");
                assert_eq!(
                    answer.body["detail"],
                    "Vous n'avez pas la permission d'accéder à cette ressource."
                );
            }
        }
        let anonymous = clinic.service.request(verb.clone(), path).json(&json!({}));
        let body = answer_of(anonymous).await.ok(401);
        assert_eq!(
            body["detail"], "Informations d'authentification non fournies.",
            "{verb} {path}"
        );
    }
    assert_eq!(clinic.count("patients").await, before);
}

async fn answer_of(request: reqwest::RequestBuilder) -> crate::support::Answer {
    answer(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_member_without_clinic_role_is_nobody_here() {
    let clinic = Clinic::open().await;
    let token = clinic
        .service
        .issuer
        .access(|claims| claims.org = Some(clinic.organization));
    let request = clinic.service.get("/api/patients/").bearer_auth(token);
    answer_of(request).await.ok(403);
    let token = clinic.service.issuer.access(|claims| {
        claims.org = Some(clinic.organization);
        claims.superuser = true;
    });
    answer_of(clinic.service.get("/api/exams/").bearer_auth(token))
        .await
        .ok(200);
}

#[tokio::test]
async fn r19_counters_move() {
    let clinic = Clinic::open().await;
    let (keys, report) = clinic.with_report().await;
    let session = clinic.login(&keys).await;
    clinic
        .as_patient(&session, &format!("/api/reports/download/{report}/"))
        .await;
    let stats = clinic.get(Admin, "/api/auth/admin-stats/").await.ok(200);
    assert_eq!(stats["total_patients"], 1);
    assert_eq!(stats["total_reports"], 1);
    assert_eq!(stats["total_report_downloads"], 1);
    assert_eq!(stats["total_portal_accesses"], 1);
    assert_eq!(stats["total_revenue"], 33_000);
    assert_eq!(stats["invoices_status"]["paid"], 1);
}
