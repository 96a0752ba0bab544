//! The clinic's lists, what was paid twice or in parts, the accountants' books and receipts.

use chrono::Utc;
use common_types::{
    ClinicRole, Currency, Language,
    events::{
        auth::UserUpdated,
        portal::{InvoiceStatusChanged, PaymentRecorded, ReportPublished},
    },
};
use serde_json::{Value, json};
use service_testing::eventually;
use uuid::Uuid;
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{method, path, query_param, query_param_is_missing},
};

use crate::{
    features::json_of,
    refunds::{paid_charge, paid_invoice, refund},
    support::{Clinic, PATIENCE},
};

fn invoice(
    clinic: &Clinic,
    id: Uuid,
    version: i64,
    status: &str,
    total: i64,
) -> InvoiceStatusChanged {
    InvoiceStatusChanged {
        invoice_id: id,
        aggregate_version: version,
        organization_id: clinic.organization,
        patient_id: Uuid::now_v7(),
        old_status: "sent".into(),
        new_status: status.into(),
        total_amount: total,
        currency: Currency::Xof,
        changed_at: Utc::now(),
    }
}

fn report(clinic: &Clinic, invoice: Uuid) -> ReportPublished {
    ReportPublished {
        report_id: Uuid::now_v7(),
        aggregate_version: 1,
        organization_id: clinic.organization,
        patient_id: Uuid::now_v7(),
        access_id: Uuid::now_v7(),
        invoice_id: Some(invoice),
        published_at: Utc::now(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clinic_sees_what_is_paid_without_report_and_reported_without_money() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let (waiting, done, unpaid) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    clinic
        .emit("portal", &invoice(&clinic, waiting, 3, "paid", 5_000))
        .await;
    // An older version arrives later and changes nothing.
    clinic
        .emit(
            "portal",
            &invoice(&clinic, waiting, 2, "partially_paid", 5_000),
        )
        .await;
    clinic
        .emit("portal", &invoice(&clinic, done, 1, "paid", 5_000))
        .await;
    clinic.emit("portal", &report(&clinic, done)).await;
    clinic
        .emit(
            "portal",
            &invoice(&clinic, unpaid, 1, "partially_paid", 5_000),
        )
        .await;
    clinic.emit("portal", &report(&clinic, unpaid)).await;
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM inbox_events").await == 6
    })
    .await;
    let token = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    let list = json_of(&clinic, "/api/v1/payments/paid-not-reported/", &token).await;
    assert_eq!(
        (&list["count"], &list["results"][0]["invoice_id"]),
        (&json!(1), &json!(waiting))
    );
    let list = json_of(&clinic, "/api/v1/payments/reported-not-paid/", &token).await;
    assert_eq!(
        (&list["count"], &list["results"][0]["invoice_id"]),
        (&json!(1), &json!(unpaid))
    );
    let old = json_of(
        &clinic,
        "/api/v1/payments/reported-not-paid/?older_than_hours=24",
        &token,
    )
    .await;
    assert_eq!(old["count"], 0);
    let foreign = clinic.service.issuer.access(|claims| {
        claims.org = Some(Uuid::now_v7());
        claims.clinic_role = Some(ClinicRole::Admin);
    });
    assert_eq!(
        json_of(&clinic, "/api/v1/payments/reported-not-paid/", &foreign).await["count"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_know_what_portal_had_before_its_events_reached_us() {
    let mut clinic = Clinic::new().await;
    let (paid, unpaid) = (Uuid::now_v7(), Uuid::now_v7());
    let state = |id: Uuid, version: i64, status: &str, reports: Value| {
        json!({"invoice_id": id, "organization_id": clinic.organization, "patient_id": Uuid::now_v7(),
            "status": status, "total_amount": 5_000, "currency": "XOF", "version": version,
            "paid_at": (status == "paid").then(Utc::now), "changed_at": Utc::now(), "reports": reports})
    };
    let report_of_unpaid = json!([{"report_id": Uuid::now_v7(), "published_at": Utc::now()}]);
    let page = |invoices: Value, next: Option<Uuid>| {
        ResponseTemplate::new(200).set_body_json(json!({"invoices": invoices, "next": next}))
    };
    let pages = || Mock::given(method("GET")).and(path("/internal/invoices/"));
    // Portal falls silent after the first page.
    pages()
        .and(query_param_is_missing("after"))
        .respond_with(page(json!([state(paid, 4, "paid", json!([]))]), Some(paid)))
        .mount(&clinic.portal)
        .await;
    let fill = async || payments::clinic::fill_clinic_lists(&clinic.service.state).await;
    assert!(fill().await.is_err());
    // The next run goes on behind it, and the one after has nothing to do.
    clinic.portal.reset().await;
    let last = json!([state(unpaid, 2, "partially_paid", report_of_unpaid)]);
    pages()
        .and(query_param("after", paid.to_string()))
        .respond_with(page(last.clone(), None))
        .mount(&clinic.portal)
        .await;
    assert_eq!(fill().await.unwrap(), 1);
    clinic.portal.reset().await;
    assert_eq!(fill().await.unwrap(), 0);
    let token = clinic.token(Uuid::now_v7(), ClinicRole::Secretary);
    let listed = async |clinic: &Clinic, list: &str| {
        let list = json_of(clinic, &format!("/api/v1/payments/{list}/"), &token).await;
        let ids = list["results"].as_array().unwrap().iter();
        ids.map(|row| row["invoice_id"].as_str().unwrap().parse().unwrap())
            .collect::<Vec<Uuid>>()
    };
    assert_eq!(listed(&clinic, "paid-not-reported").await, [paid]);
    assert_eq!(listed(&clinic, "reported-not-paid").await, [unpaid]);
    // Events and copies meet: the higher version stays, whichever came first.
    clinic.service.start_worker();
    let older = invoice(&clinic, paid, 3, "partially_paid", 5_000);
    clinic.emit("portal", &older).await;
    let newer = invoice(&clinic, unpaid, 3, "paid", 5_000);
    clinic.emit("portal", &newer).await;
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM inbox_events").await == 2
    })
    .await;
    clinic
        .try_sql("UPDATE clinic_backfill SET finished_at = NULL, after_invoice_id = NULL")
        .await
        .unwrap();
    pages()
        .respond_with(page(last, None))
        .mount(&clinic.portal)
        .await;
    payments::clinic::fill_clinic_lists(&clinic.service.state)
        .await
        .unwrap();
    assert_eq!(listed(&clinic, "paid-not-reported").await, [paid]);
    assert!(listed(&clinic, "reported-not-paid").await.is_empty());
    let copies = "SELECT count(*) FROM invoice_copies WHERE status = 'paid'";
    assert_eq!(clinic.number(copies).await, 2);
    assert_eq!(clinic.number("SELECT count(*) FROM report_copies").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_paid_twice_is_booked_twice_and_somebody_must_give_the_surplus_back() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let (first, second) = (
        paid_invoice(&clinic, 9_000).await,
        paid_invoice(&clinic, 9_000).await,
    );
    let bill = Uuid::now_v7();
    let recorded = |online: &str| PaymentRecorded {
        recorded_payment_id: Uuid::now_v7(),
        aggregate_version: 1,
        organization_id: clinic.organization,
        invoice_id: bill,
        patient_id: Uuid::now_v7(),
        amount: 9_000,
        currency: Currency::Xof,
        method: "online".into(),
        online_payment_id: Some(online.parse().unwrap()),
        recorded_by: None,
        recorded_at: Utc::now(),
    };
    clinic.emit("portal", &recorded(&first)).await;
    clinic
        .emit("portal", &invoice(&clinic, bill, 1, "paid", 9_000))
        .await;
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM inbox_events").await == 2
    })
    .await;
    let open = "SELECT count(*) FROM reconciliation_exceptions WHERE kind = 'overpaid_invoice' AND status = 'open'";
    assert_eq!(clinic.number(open).await, 0, "paid once is right");
    clinic.emit("portal", &recorded(&second)).await;
    eventually(PATIENCE, async || clinic.number(open).await == 1).await;
    // Nothing was booked twice by the echo, and the surplus may go back.
    assert_eq!(clinic.balance("invoice_receipts").await, 18_000);
    assert_eq!(
        refund(&clinic, &second, "r", &json!({"reason": "paid twice"}))
            .await
            .status(),
        201
    );
    clinic.becomes(&second, "refunded").await;
    assert_eq!(clinic.balance("invoice_receipts").await, 9_000);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_paid_in_parts_but_never_above_what_is_due() {
    let clinic = Clinic::new().await;
    let token = clinic.doctor_token();
    let bill = clinic.invoice(10_000, "sent").await;
    let pay = async |key: &str, amount: i64| {
        let body = json!({"purpose": "invoice", "invoice_id": bill, "amount": amount});
        clinic.keyed("/api/v1/payments/", &token, key, &body).await
    };
    let part: Value = pay("a", 4_000).await.json().await.unwrap();
    assert_eq!(part["amount"], 4_000);
    assert_eq!(
        pay("b", 10_001).await.json::<Value>().await.unwrap()["code"],
        "payment.above_due"
    );
    assert_eq!(pay("c", 0).await.status(), 400);
    let paid = clinic.invoice(0, "paid").await;
    let body = json!({"purpose": "invoice", "invoice_id": paid});
    assert_eq!(
        clinic
            .keyed("/api/v1/payments/", &token, "d", &body)
            .await
            .status(),
        409
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accountants_read_accounts_statement_and_trial_balance() {
    let clinic = Clinic::new().await;
    for amount in [10_000, 20_000, 30_000] {
        paid_charge(&clinic, amount).await;
    }
    paid_invoice(&clinic, 7_000).await;
    let token = clinic.accountant_token();
    for path in [
        "accounts",
        "trial-balance",
        "statement/?account=wallet&currency=IRR",
    ] {
        let path = format!("/api/v1/ledger/{path}");
        assert_eq!(
            clinic.get(&path, &clinic.doctor_token()).await.status(),
            403,
            "{path}"
        );
    }
    let accounts = json_of(&clinic, "/api/v1/ledger/accounts/?wallets=true", &token).await;
    let found: Vec<(&str, &str, i64)> = accounts["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["code"].as_str().unwrap(),
                row["class"].as_str().unwrap(),
                row["balance"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("clearing:sandbox", "asset", -60_000),
            ("clearing:sandbox", "asset", -7_000),
            ("invoice_receipts", "income", 7_000),
            ("wallet", "liability", 60_000),
        ]
    );
    let trial = json_of(&clinic, "/api/v1/ledger/trial-balance/", &token).await;
    for currency in trial["currencies"].as_array().unwrap() {
        assert_eq!(currency["total_debit"], currency["total_credit"]);
        assert_eq!(currency["balanced"], true);
    }
    assert_eq!(trial["currencies"][0]["total_credit"], 60_000);
    let before = json_of(
        &clinic,
        "/api/v1/ledger/trial-balance/?day=2020-01-01",
        &token,
    )
    .await;
    assert_eq!(before["currencies"][0]["total_credit"], 0);
    let path = "/api/v1/ledger/statement/?account=clearing:sandbox&currency=IRR&page_size=2";
    let page = json_of(&clinic, path, &token).await;
    assert_eq!(
        (
            &page["opening_balance"],
            &page["closing_balance"],
            &page["count"]
        ),
        (&json!(0), &json!(-60_000), &json!(3))
    );
    let balances = |page: &Value| -> Vec<i64> {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["balance_after"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(balances(&page), [-10_000, -30_000]);
    assert_eq!(
        balances(&json_of(&clinic, &format!("{path}&page=2"), &token).await),
        [-60_000]
    );
    let long =
        "/api/v1/ledger/statement/?account=wallet&currency=IRR&from=2020-01-01&to=2026-01-01";
    assert_eq!(clinic.get(long, &token).await.status(), 400);
    // What every settlement touches is kept in several rows.
    assert!(
        clinic
            .number(
                "SELECT count(DISTINCT shard) FROM ledger_accounts WHERE code LIKE 'clearing:%'"
            )
            .await
            > 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_names_the_payer() {
    let mut clinic = Clinic::new().await;
    clinic.service.start_worker();
    let user = UserUpdated {
        user_id: clinic.doctor,
        number: 1,
        aggregate_version: 1,
        phone: Some(common_types::PhoneNumber::parse("09120000001").unwrap()),
        username: None,
        full_name: "دکتر آوا".into(),
        language: Language::Fa,
        is_active: true,
        is_superuser: false,
        memberships: Vec::new(),
        created_at: Utc::now(),
    };
    clinic.emit("auth-otp", &user).await;
    eventually(PATIENCE, async || {
        clinic.number("SELECT count(*) FROM people").await == 1
    })
    .await;
    let paid = paid_charge(&clinic, 30_000).await;
    let path = format!("/crazyminer/payment/{paid}/receipt.pdf");
    let paper = clinic.get(&path, &clinic.doctor_token()).await;
    assert_eq!(paper.status(), 200);
    assert!(paper.bytes().await.unwrap().len() > 5_000);
}
