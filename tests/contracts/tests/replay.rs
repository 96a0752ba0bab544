//! Every case below `cases/`, played through the gateway of the platform that the end-to-end tests share.

/// The whole tale of what is not as written, without the backtrace of a panic.
async fn replay(service: &str) {
    if let Err(error) = contract_tests::replay(service).await {
        panic!("{error:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_otp_answers_as_its_clients_expect() {
    replay("auth-otp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_answers_as_its_clients_expect() {
    replay("payments").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn integrations_answers_as_its_clients_expect() {
    replay("integrations").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_answers_as_its_clients_expect() {
    replay("gateway").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patient_access_answers_as_its_clients_expect() {
    replay("patient-access").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn portal_answers_as_its_clients_expect() {
    replay("portal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_answers_as_its_clients_expect() {
    replay("content").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_answers_as_its_clients_expect() {
    replay("chat").await;
}
