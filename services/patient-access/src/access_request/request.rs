//! Making a request and sending the patient a code.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::{
    AccessClaims, Language, PhoneNumber,
    internal::auth::{CodeTooSoon, SendCodeRequest, SendCodeResponse},
};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_auth::InternalError;
use uuid::Uuid;

use super::{
    AccessRequestCreated, AccessRequestError,
    model::{self, MAX_ATTEMPTS, Status},
    store::{self, RequestRow},
};
use crate::{
    AppState,
    grant::Origin,
    person::{self, Person},
};

/// The purpose profile of these codes in auth-otp.
const PURPOSE: &str = "patient_access";

/// Makes a request and has the code sent while the doctor waits.
///
/// The row comes first, so that parallel requests cannot pass the budget together; it goes away
/// again when no code was sent, and stays counted when nobody knows.
///
/// # Errors
/// See [`AccessRequestError`].
pub(crate) async fn create(
    state: &AppState,
    doctor: &AccessClaims,
    organization: Uuid,
    phone: Option<&Value>,
    origin: Origin,
) -> Result<AccessRequestCreated, AccessRequestError> {
    let given = model::text_of(phone).ok_or(AccessRequestError::PhoneMissing)?;
    let phone = PhoneNumber::parse(&given).map_err(|_| AccessRequestError::PhoneInvalid)?;
    let patient = person::of_phone(state, &phone)
        .await
        .map_err(AccessRequestError::NotSent)?;
    let row = RequestRow {
        id: Uuid::now_v7(),
        organization_id: organization,
        doctor_id: doctor.sub,
        doctor_name: doctor.name.clone(),
        patient_phone: phone.e164().to_owned(),
        phone_as_given: given.chars().take(40).collect(),
        patient_user_id: patient.as_ref().map(|person| person.id),
        status: Status::Pending.as_str().to_owned(),
        challenge_id: None,
        code_expires_at: None,
        attempts: 0,
        version: 1,
        created_at: state.stack.clock.now(),
        decided_at: None,
    };
    let (row, already_granted) = state
        .stack
        .db
        .transaction(async |conn| open(state, conn, row.clone(), &origin).await)
        .await?;
    let sent = match send(state, &row, &phone, patient.as_ref()).await {
        Ok(sent) => sent,
        Err(refusal) => {
            state
                .stack
                .db
                .transaction(async |conn| withdraw(conn, &row, &refusal).await)
                .await?;
            return Err(refusal);
        }
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            store::update_sent(conn, row.id, sent.challenge_id, sent.expires_at).await?;
            store::update_superseded(conn, &row, row.created_at).await?;
            Ok::<_, AccessRequestError>(())
        })
        .await?;
    metrics::counter!("patient_access_requests_total").increment(1);
    Ok(AccessRequestCreated {
        request_id: row.id,
        message: "کد تایید به شماره بیمار ارسال شد",
        patient_phone: given,
        code_expires_at: sent.expires_at,
        cooldown_seconds: state.grant.cooldown_seconds,
        attempts_left: MAX_ATTEMPTS,
        already_granted,
    })
}

/// Checks budgets and cooldown and writes the row, all under the locks of number and doctor.
async fn open(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    mut row: RequestRow,
    origin: &Origin,
) -> Result<(RequestRow, bool), AccessRequestError> {
    let now = state.database_time(conn).await?;
    row.created_at = now;
    // Always in this order, so that two requests cannot wait for each other.
    store::lock_budget(conn, &format!("phone\u{1f}{}", row.patient_phone)).await?;
    store::lock_budget(conn, &format!("doctor\u{1f}{}", row.doctor_id)).await?;
    check_budgets(state, conn, &row, now).await?;
    let granted = store::has_live_grant(
        conn,
        row.doctor_id,
        row.organization_id,
        &row.patient_phone,
        now,
    )
    .await?;
    store::insert_request(conn, &row).await?;
    let entry = AuditEntry::new(
        row.doctor_id,
        ActorKind::User,
        "patient_access.requested",
        now,
    )
    .subject("access_request", row.id)
    .organization(Some(row.organization_id))
    .origin(origin.ip, origin.request_id.clone())
    .details(json!({"patient_user_id": row.patient_user_id}));
    service_audit::record(conn, entry).await?;
    Ok((row, granted))
}

async fn check_budgets(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    row: &RequestRow,
    now: DateTime<Utc>,
) -> Result<(), AccessRequestError> {
    let cooldown = TimeDelta::seconds(state.grant.cooldown_seconds);
    if let Some(last) = store::find_last_request(conn, row.doctor_id, &row.patient_phone).await?
        && now - last < cooldown
    {
        return Err(AccessRequestError::Cooldown {
            retry_after: seconds_until(last + cooldown, now),
        });
    }
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let limits = &state.limits;
    let budgets = [
        (
            limits.per_patient_per_hour,
            hour,
            store::count_for_phone(conn, &row.patient_phone, now - hour).await?,
        ),
        (
            limits.per_patient_per_day,
            day,
            store::count_for_phone(conn, &row.patient_phone, now - day).await?,
        ),
        (
            limits.per_doctor_per_hour,
            hour,
            store::count_by_doctor(conn, row.doctor_id, now - hour).await?,
        ),
    ];
    for (limit, window, (count, oldest)) in budgets {
        if count >= limit {
            let free_at = oldest.unwrap_or(now) + window;
            return Err(AccessRequestError::Budget {
                retry_after: seconds_until(free_at, now),
            });
        }
    }
    Ok(())
}

fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    (at - now)
        .num_milliseconds()
        .max(0)
        .unsigned_abs()
        .div_ceil(1000)
        .max(1)
}

async fn send(
    state: &AppState,
    row: &RequestRow,
    phone: &PhoneNumber,
    patient: Option<&Person>,
) -> Result<SendCodeResponse, AccessRequestError> {
    let language = patient
        .and_then(|person| person.language.parse().ok())
        .unwrap_or_else(|| language_of(phone));
    let request = SendCodeRequest {
        purpose: PURPOSE.to_owned(),
        phone: phone.clone(),
        binding: binding(row),
        language,
        variables: BTreeMap::from([("doctor_name".to_owned(), row.doctor_name.clone())]),
        organization_id: Some(row.organization_id),
    };
    match state.auth_otp.post_json("/internal/codes/", &request).await {
        Ok(sent) => Ok(sent),
        Err(InternalError::Status { status: 429, body }) => {
            let wait =
                serde_json::from_str::<CodeTooSoon>(&body).map_or(60, |told| told.retry_after);
            Err(AccessRequestError::Cooldown {
                retry_after: u64::try_from(wait).unwrap_or(1),
            })
        }
        Err(error) => Err(AccessRequestError::NotSent(error.into())),
    }
}

/// What a code is bound to: this doctor's this request and nothing else.
pub(super) fn binding(row: &RequestRow) -> String {
    format!("{}:{}", row.doctor_id, row.id)
}

/// The language of somebody the platform does not know, by the country of the number.
fn language_of(phone: &PhoneNumber) -> Language {
    match phone.e164() {
        number if number.starts_with("+98") || number.starts_with("+93") => Language::Fa,
        number if number.starts_with("+221") || number.starts_with("+33") => Language::Fr,
        _ => Language::En,
    }
}

/// Takes the row back when no code went out; keeps it, closed and counted, when one may have.
async fn withdraw(
    conn: &mut AsyncPgConnection,
    row: &RequestRow,
    refusal: &AccessRequestError,
) -> Result<(), AccessRequestError> {
    let unknown = match refusal {
        AccessRequestError::NotSent(cause) => cause
            .downcast_ref::<InternalError>()
            .is_some_and(InternalError::is_unknown),
        _ => false,
    };
    if unknown {
        store::update_state(conn, row.id, Status::Rejected, 0, row.created_at).await?;
    } else {
        store::delete_unsent(conn, row.id).await?;
    }
    let entry = AuditEntry::new(
        row.doctor_id,
        ActorKind::User,
        "patient_access.request_not_sent",
        row.created_at,
    )
    .subject("access_request", row.id)
    .organization(Some(row.organization_id))
    .outcome(Outcome::Failed);
    service_audit::record(conn, entry).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        let now = Utc::now();
        assert_eq!(
            seconds_until(now + TimeDelta::milliseconds(59_001), now),
            60
        );
        assert_eq!(seconds_until(now - TimeDelta::seconds(5), now), 1);
    }

    #[test]
    fn an_unknown_patient_is_written_to_in_the_language_of_the_country() {
        let language = |text: &str| language_of(&PhoneNumber::parse(text).unwrap());
        assert_eq!(language("09121234567"), Language::Fa);
        assert_eq!(language("+221771234567"), Language::Fr);
    }
}
