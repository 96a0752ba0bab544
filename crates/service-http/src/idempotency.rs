//! `Idempotency-Key`: the first answer of a request, kept in PostgreSQL in the same transaction as
//! its effect (IETF draft-ietf-httpapi-idempotency-key-header, Q-M1).
//!
//! Same key and body answer the first response, byte for byte; another body 422; a request that is
//! still running 409. Keys are scoped to (subject, route), so nobody reaches another's answers, and
//! kept for seven days.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    dsl::{self, IntervalDsl},
    result::Error as DieselError,
    sql_types::{BigInt, Text as SqlText, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    error::ApiError,
    extract::{Read, after_admission},
    text::Text,
};

mod together;

pub use together::{Asked, begin_all, finish_all};

/// The header's name.
pub const HEADER: &str = "Idempotency-Key";

diesel::table! {
    idempotency_keys (subject, route, key) {
        subject -> Text,
        route -> Text,
        key -> Text,
        body_hash -> Bytea,
        status -> Int2,
        headers -> Jsonb,
        body -> Bytea,
        created_at -> Timestamptz,
    }
}

/// A key that the route demands: absent answers 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub String);

/// A key that the caller may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalKey(pub Option<String>);

impl FromRequest for Key {
    type Error = ApiError;
    type Future = Read<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = read_key(request).and_then(|key| {
            key.map(Self).ok_or_else(|| {
                ApiError::bad_request(
                    "idempotency.key_required",
                    Text::i18n(
                        "سرآیند Idempotency-Key لازم است.",
                        "L'en-tête Idempotency-Key est obligatoire.",
                        "The Idempotency-Key header is required.",
                    ),
                )
            })
        });
        after_admission(request, key)
    }
}

impl FromRequest for OptionalKey {
    type Error = ApiError;
    type Future = Read<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        after_admission(request, read_key(request).map(Self))
    }
}

/// 1 to 255 printable ASCII characters, sent once; the draft's quotes around it are taken off.
fn read_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .map(str::trim);
    let text = text.map(|text| {
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text)
    });
    match text {
        Some(key)
            if (1..=255).contains(&key.len())
                && key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) =>
        {
            Ok(Some(key.to_owned()))
        }
        _ => Err(ApiError::bad_request(
            "idempotency.key_invalid",
            Text::i18n(
                "سرآیند Idempotency-Key باید ۱ تا ۲۵۵ نویسهٔ ASCII باشد.",
                "L'en-tête Idempotency-Key doit avoir 1 à 255 caractères ASCII.",
                "The Idempotency-Key header must have 1 to 255 ASCII characters.",
            ),
        )),
    }
}

/// An answer as it is kept and given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the content type, such as `Location`.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Vec<u8>,
    /// True when this is an earlier answer given again.
    pub replayed: bool,
}

impl Stored {
    /// A JSON answer.
    ///
    /// # Errors
    /// When `body` cannot be written as JSON.
    pub fn json(
        status: StatusCode,
        body: &impl serde::Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            status: status.as_u16(),
            headers: Vec::new(),
            body: serde_json::to_vec(body)?,
            replayed: false,
        })
    }

    /// The HTTP response; `Idempotency-Replayed: true` marks an answer given again.
    pub fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        response.content_type("application/json");
        for (name, value) in &self.headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        if self.replayed {
            response.insert_header(("Idempotency-Replayed", "true"));
        }
        response.body(self.body)
    }
}

/// Why a request with a key does not run.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The first request with this key is still running.
    #[error("a request with this idempotency key is still running")]
    InFlight,
    /// The key was used with another body.
    #[error("this idempotency key was used with another body")]
    OtherBody,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InFlight => Self::conflict(
                "idempotency.in_flight",
                Text::i18n(
                    "درخواستی با همین کلید هنوز در حال انجام است.",
                    "Une requête avec cette clé est encore en cours.",
                    "A request with this key is still running.",
                ),
            )
            .retry_after(1),
            Refusal::OtherBody => Self::unprocessable(
                "idempotency.other_body",
                Text::i18n(
                    "این کلید پیش‌تر با بدنهٔ دیگری به کار رفته است.",
                    "Cette clé a déjà servi avec un autre contenu.",
                    "This key was already used with another body.",
                ),
            ),
        }
    }
}

/// How long an answer is kept.
const KEPT_DAYS: i32 = 7;
/// Tells these locks from others of the same database.
const SEED: i64 = 7;

diesel::define_sql_function! {
    fn pg_try_advisory_xact_lock(key: BigInt) -> diesel::sql_types::Bool;
}
diesel::define_sql_function! {
    fn hashtextextended(words: SqlText, seed: BigInt) -> BigInt;
}

/// The database's time, seven days ago.
fn expiry() -> diesel::expression::SqlLiteral<Timestamptz> {
    dsl::sql("now() - interval '7 days'")
}

/// What the lock of a key is called.
fn lock_name((subject, route): (&str, &str), key: &str) -> String {
    format!("idempotency\u{1f}{subject}\u{1f}{route}\u{1f}{key}")
}

/// SHA-256 of a request body.
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// Runs `work` once per (subject, route, key), inside the transaction that `conn` is in; later
/// calls get the first answer. Only `Ok` answers are kept: an error rolls the row back with the rest.
///
/// # Errors
/// What `work` answers, [`Refusal::InFlight`] (409) or [`Refusal::OtherBody`] (422).
pub async fn run<E, W>(
    conn: &mut AsyncPgConnection,
    (subject, route): (&str, &str),
    key: &str,
    body_hash: &[u8],
    work: W,
) -> Result<Stored, E>
where
    W: AsyncFnOnce(&mut AsyncPgConnection) -> Result<Stored, E>,
    E: From<Refusal> + From<DieselError>,
{
    if let Some(stored) = begin(conn, (subject, route), key, body_hash).await? {
        return stored.map_err(E::from);
    }
    let stored = work(conn).await?;
    finish(conn, (subject, route), key, body_hash, &stored).await?;
    Ok(stored)
}

/// First half of [`run`], for work that cannot be given as a closure: takes the key's lock until the
/// end of the transaction. `None` means: do the work, then [`finish`].
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    (subject, route): (&str, &str),
    key: &str,
    body_hash: &[u8],
) -> Result<Option<Result<Stored, Refusal>>, DieselError> {
    // The lock, not the row, says "in flight": it ends with the transaction, also when a process dies.
    // Statements in diesel's own words stay prepared; those of `sql_query` and `sql` are prepared anew each time.
    let name = lock_name((subject, route), key);
    let taken: bool = diesel::select(pg_try_advisory_xact_lock(hashtextextended(name, SEED)))
        .get_result(conn)
        .await?;
    if !taken {
        return Ok(Some(Err(Refusal::InFlight)));
    }
    let row = idempotency_keys::table
        .find((subject, route, key))
        .filter((idempotency_keys::created_at + KEPT_DAYS.days()).gt(dsl::now))
        .select((
            idempotency_keys::body_hash,
            idempotency_keys::status,
            idempotency_keys::headers,
            idempotency_keys::body,
        ))
        .first::<(Vec<u8>, i16, Value, Vec<u8>)>(conn)
        .await
        .optional()?;
    Ok(row.map(|(hash, status, headers, body)| {
        if hash != body_hash {
            return Err(Refusal::OtherBody);
        }
        let headers = serde_json::from_value(headers).unwrap_or_default();
        Ok(Stored {
            status: u16::try_from(status).unwrap_or(200),
            headers,
            body,
            replayed: true,
        })
    }))
}

/// Second half of [`run`]: keeps the answer in the same transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(
    conn: &mut AsyncPgConnection,
    (subject, route): (&str, &str),
    key: &str,
    body_hash: &[u8],
    stored: &Stored,
) -> Result<(), DieselError> {
    let values = || {
        (
            idempotency_keys::body_hash.eq(body_hash),
            idempotency_keys::status.eq(i16::try_from(stored.status).unwrap_or(200)),
            idempotency_keys::headers.eq(serde_json::json!(stored.headers)),
            idempotency_keys::body.eq(&stored.body),
            idempotency_keys::created_at.eq(dsl::now),
        )
    };
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::subject.eq(subject),
            idempotency_keys::route.eq(route),
            idempotency_keys::key.eq(key),
            values(),
        ))
        // Only an expired row can be in the way: `begin` holds the lock and found no live one.
        .on_conflict((
            idempotency_keys::subject,
            idempotency_keys::route,
            idempotency_keys::key,
        ))
        .do_update()
        .set(values())
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets answers older than seven days; a job of every worker that uses keys. Answers how many.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(conn: &mut AsyncPgConnection) -> Result<usize, DieselError> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(expiry())))
        .execute(conn)
        .await
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn key(value: &[u8]) -> Result<Option<String>, u16> {
        let value = actix_web::http::header::HeaderValue::from_bytes(value).unwrap();
        let request = TestRequest::default()
            .insert_header((HEADER, value))
            .to_http_request();
        read_key(&request).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn q_m1_keys_are_1_to_255_ascii_characters() {
        assert_eq!(
            read_key(&TestRequest::default().to_http_request()).unwrap(),
            None
        );
        assert_eq!(key(b"abc").unwrap().unwrap(), "abc");
        assert_eq!(key(b"\"abc\"").unwrap().unwrap(), "abc");
        assert_eq!(key(b"").unwrap_err(), 400);
        assert!(key("x".repeat(255).as_bytes()).is_ok());
        assert_eq!(key("x".repeat(256).as_bytes()).unwrap_err(), 400);
        assert_eq!(key("کلید".as_bytes()).unwrap_err(), 400);
    }

    #[test]
    fn a_replay_is_marked() {
        let mut stored = Stored::json(StatusCode::CREATED, &serde_json::json!({"id": 1})).unwrap();
        assert!(
            stored
                .clone()
                .into_response()
                .headers()
                .get("idempotency-replayed")
                .is_none()
        );
        stored.replayed = true;
        assert_eq!(
            stored
                .into_response()
                .headers()
                .get("idempotency-replayed")
                .unwrap(),
            "true"
        );
    }
}
