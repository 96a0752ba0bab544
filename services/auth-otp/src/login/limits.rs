//! Budgets of the login routes, counted in Redis with a strict fallback in the process.

use std::net::IpAddr;

use service_auth::tokens::sha256_hex;
use service_http::{ApiError, Limit};

use crate::shield::{self, ChallengeAnswer};
use crate::state::AppState;

/// Lets a call to a code route in: [`shield::admit`].
pub(crate) async fn admit(
    state: &AppState,
    ip: IpAddr,
    answer: &ChallengeAnswer,
) -> Result<(), ApiError> {
    shield::admit(state, ip, answer).await
}

/// Contexor's throttles on asking for a code: per address and per phone as typed; invalid requests count too.
pub(crate) async fn asking(
    state: &AppState,
    ip: IpAddr,
    phone_as_typed: &str,
) -> Result<(), ApiError> {
    shield::check_source(state, ip).await?;
    let budgets = &state.settings.budgets;
    let factor = state.settings.budget_factor();
    let by_ip = format!("otp-ask-ip:{ip}");
    let by_phone = format!(
        "otp-ask-phone:{}",
        &sha256_hex(phone_as_typed.as_bytes())[..24]
    );
    let limits = [
        (
            by_ip.as_str(),
            Limit::per_minute(budgets.ip_sends_per_minute).widened(factor),
        ),
        (
            by_phone.as_str(),
            Limit::per_minute(budgets.phone_sends_per_minute).widened(factor),
        ),
    ];
    state
        .stack
        .limiter
        .check_all(&limits)
        .await
        .into_result()
        .map(|_| ())
}

/// Codes and passwords tried from one address.
pub(crate) async fn trying(state: &AppState, ip: IpAddr) -> Result<(), ApiError> {
    shield::check_source(state, ip).await?;
    let limit = Limit::per_minute(state.settings.budgets.ip_logins_per_minute);
    let key = format!("login-ip:{ip}");
    let decision = state
        .stack
        .limiter
        .check(&key, limit.widened(state.settings.budget_factor()))
        .await;
    decision.into_result().map(|_| ())
}
