//! `Idempotency-Key` on writes that make money: the first answer is kept in the transaction of the effect.

use actix_web::http::StatusCode;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use service_http::{
    ApiError,
    idempotency::{self, OptionalKey, Stored},
};
use uuid::Uuid;

/// One request with its key, when it sent one.
#[derive(Debug)]
pub(crate) struct Once {
    key: Option<String>,
    subject: String,
    route: &'static str,
    hash: [u8; 32],
}

impl Once {
    pub(crate) fn new(key: OptionalKey, subject: Uuid, route: &'static str, body: &[u8]) -> Self {
        Self {
            key: key.0,
            subject: subject.to_string(),
            route,
            hash: idempotency::body_hash(body),
        }
    }

    /// The first answer, when this request was answered before.
    ///
    /// # Errors
    /// 409 while the first one runs, 422 for another body under the same key.
    pub(crate) async fn begin(
        &self,
        conn: &mut AsyncPgConnection,
    ) -> Result<Option<Stored>, ApiError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let earlier =
            idempotency::begin(conn, (&self.subject, self.route), key, &self.hash).await?;
        earlier.transpose().map_err(ApiError::from)
    }

    /// Keeps the answer, in the same transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn finish(
        &self,
        conn: &mut AsyncPgConnection,
        body: &impl Serialize,
    ) -> Result<Stored, ApiError> {
        let stored = Stored::json(StatusCode::CREATED, body).map_err(anyhow::Error::new)?;
        if let Some(key) = &self.key {
            idempotency::finish(conn, (&self.subject, self.route), key, &self.hash, &stored)
                .await?;
        }
        Ok(stored)
    }
}
