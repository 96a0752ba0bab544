//! Codes of the platform's own routes (step-up, phone change, password reset): sent and judged with problem documents.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use common_types::{Language, PhoneNumber};
use service_http::{ApiError, Text};
use uuid::Uuid;

use crate::code::{self, CodeError, SendCode, SentCode, Target, Verdict};
use crate::session::open::Origin;
use crate::shield::Asker;
use crate::state::AppState;
use crate::unexpected::unexpected;

/// Sends a code for one of the platform's own purposes.
///
/// # Errors
/// 429 while the cooldown runs or a budget is spent; 502 when no provider takes it.
pub(crate) async fn send_code(
    state: &AppState,
    origin: &Origin,
    purpose: &str,
    phone: &PhoneNumber,
    binding: &str,
    language: Language,
) -> Result<SentCode, ApiError> {
    let wish = SendCode {
        purpose,
        phone,
        binding,
        language,
        variables: BTreeMap::new(),
    };
    let asker = Asker {
        ip: Some(origin.ip),
        organization: None,
    };
    code::send_for(state, &wish, &asker).await.map_err(not_sent)
}

/// Judges a code; the id of a right one, which the caller still has to consume.
///
/// # Errors
/// 400 for a code that does not count, 429 while the phone rests.
pub(crate) async fn judge_code(
    state: &AppState,
    origin: &Origin,
    purpose: &str,
    phone: &PhoneNumber,
    binding: &str,
    typed: &str,
) -> Result<Uuid, ApiError> {
    let verdict = code::judge(state, purpose, phone, binding, Target::Latest, typed)
        .await
        .map_err(not_sent)?;
    match verdict {
        Verdict::Right(id) => Ok(id),
        Verdict::Wrong(_) => {
            code::settle_failure_of(state, phone, Some(origin.ip))
                .await
                .map_err(not_sent)?;
            Err(code_refused(verdict))
        }
        Verdict::Expired | Verdict::Burned | Verdict::Unknown => Err(code_refused(verdict)),
    }
}

/// 400 for a code that does not count, with `attempts_left` where attempts are left.
pub(crate) fn code_refused(verdict: Verdict) -> ApiError {
    match verdict {
        Verdict::Wrong(left) => ApiError::bad_request(
            "auth.code_wrong",
            Text::i18n(
                format!("کد درست نیست؛ {left} بار دیگر می‌توانید."),
                format!("Code incorrect ; {left} essais restants."),
                format!("The code is wrong; {left} attempts are left."),
            ),
        )
        .contract(serde_json::json!({"attempts_left": left})),
        Verdict::Burned => ApiError::bad_request(
            "auth.code_burned",
            Text::i18n(
                "بارهای مجاز تمام شد؛ کد تازه بگیرید.",
                "Trop d'essais ; demandez un nouveau code.",
                "Too many attempts; ask for a new code.",
            ),
        ),
        Verdict::Expired | Verdict::Unknown | Verdict::Right(_) => ApiError::bad_request(
            "auth.code_unknown",
            Text::i18n(
                "کد درست نیست یا زمان آن گذشته است.",
                "Code incorrect ou expiré.",
                "The code is wrong or has expired.",
            ),
        ),
    }
}

fn not_sent(error: CodeError) -> ApiError {
    match error {
        CodeError::TooSoon(seconds) | CodeError::Throttled(seconds) => {
            ApiError::too_many(u64::try_from(seconds).unwrap_or(1))
        }
        CodeError::NeedsProof => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "auth.number_needs_proof",
            Text::i18n(
                "کد نادرست زیاد وارد شده است؛ نخست این شماره را دوباره تایید کنید.",
                "Trop d'essais ; confirmez d'abord ce numéro.",
                "Too many failed attempts; confirm this number first.",
            ),
        ),
        CodeError::NotAllowed => ApiError::bad_request(
            "auth.code_not_allowed",
            Text::i18n(
                "به این شماره کد فرستاده نمی‌شود.",
                "Aucun code ne peut être envoyé à ce numéro.",
                "Codes cannot be sent to this number.",
            ),
        ),
        CodeError::Stopped(seconds) => ApiError::unavailable(
            "auth.codes_stopped",
            Text::i18n(
                "در حال حاضر کدی فرستاده نمی‌شود.",
                "Aucun code n'est envoyé pour le moment.",
                "Codes are not sent at the moment.",
            ),
        )
        .retry_after(u64::try_from(seconds).unwrap_or(1)),
        CodeError::NoCode => code_refused(Verdict::Unknown),
        CodeError::NotSent => ApiError::bad_gateway(
            "auth.code_not_sent",
            Text::i18n(
                "پیامک فرستاده نشد؛ دوباره بکوشید.",
                "Le SMS n'a pas pu être envoyé ; réessayez.",
                "The SMS could not be sent; try again.",
            ),
        ),
        CodeError::UnknownPurpose => {
            ApiError::internal(anyhow::anyhow!("a purpose has no profile"))
        }
        CodeError::Unexpected(error) => unexpected(error),
    }
}
