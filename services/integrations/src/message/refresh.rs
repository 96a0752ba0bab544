//! `POST /api/integrations/sms/{id}/refresh/`: the verb get_status (I06), asked of the provider now.

use actix_web::{HttpResponse, web};
use service_http::{Allowed, ApiError, ClinicStaff, Limit, Path, Text};
use uuid::Uuid;

use super::{
    error::MessageError,
    list::SmsResponse,
    receipt::{self, Asked},
    record,
    sms_http::spend,
    store::{self, MessageRow},
};
use crate::AppState;

/// Questions of one person in an hour.
const PER_HOUR: u32 = 300;

/// Asks the provider of a text what became of it, and answers the text as it is then. A text that waits, or whose fate is
/// known, is answered as it is.
#[utoipa::path(post, path = "/api/integrations/sms/{id}/refresh/", tag = "sms", params(("id" = String, Path)),
    responses((status = 200, body = SmsResponse), (status = 404), (status = 409), (status = 429), (status = 502)))]
pub(crate) async fn refresh_sms(
    caller: Allowed<ClinicStaff>,
    id: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let missing = || ApiError::no_match("sms.not_found", "Message");
    let organization = caller.org.ok_or_else(missing)?;
    let find = async || {
        let mut conn = state.stack.db.get().await?;
        let row = store::find_message(&mut conn, organization, &id).await?;
        Ok::<_, service_db::DbError>(row)
    };
    let row = find().await?.ok_or_else(missing)?;
    if row.state == "sent" {
        spend(
            &state,
            &format!("sms-refresh:{}", caller.sub),
            Limit::per_hour(PER_HOUR),
        )
        .await?;
        ask(&state, row).await?;
    }
    let row = find().await?.ok_or_else(missing)?;
    shown(&state, row).await
}

async fn shown(state: &AppState, row: MessageRow) -> Result<HttpResponse, ApiError> {
    let id: Uuid = row.id;
    let mut conn = state.stack.db.get().await?;
    let tries = store::list_attempts(&mut conn, id).await?;
    Ok(HttpResponse::Ok().json(SmsResponse::new(row, Some(tries))))
}

async fn ask(state: &AppState, row: MessageRow) -> Result<(), ApiError> {
    match receipt::ask_now(state, row)
        .await
        .map_err(ApiError::internal)?
    {
        Asked::Answered(result) => {
            state
                .stack
                .db
                .transaction(async |conn| {
                    // A worker that was quicker has written the same.
                    record::record(conn, state, &result).await?;
                    Ok::<_, MessageError>(())
                })
                .await?;
            state.stack.outbox.wake();
            Ok(())
        }
        Asked::Silent => Err(ApiError::bad_gateway(
            "sms.provider_silent",
            Text::i18n(
                "سرویس پیامک پاسخ نداد.",
                "Le fournisseur de SMS n'a pas répondu.",
                "The SMS provider did not answer.",
            ),
        )),
        Asked::Never => Err(ApiError::conflict(
            "sms.no_receipts",
            Text::i18n(
                "این سرویس پیامک وضعیت تحویل را نمی‌گوید.",
                "Ce fournisseur de SMS n'indique pas l'état de remise.",
                "This SMS provider does not tell whether a text was delivered.",
            ),
        )),
    }
}
