//! API keys of partner systems (SOAPify): shown once, stored as a hash, asked for by introspection.

pub mod http;
pub mod store;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_auth::tokens::random_alphanumeric;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The first characters of every key that is made here.
const PREFIX: &str = "tk_";
/// Random characters of a key: 238 bits.
const RANDOM: usize = 40;

/// A new key's text.
#[must_use]
pub fn generate() -> String {
    format!("{PREFIX}{}", random_alphanumeric(RANDOM))
}

/// The stored form; a key is random, so a fast hash protects it.
#[must_use]
pub fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key.as_bytes()).to_vec()
}

/// Stores a key unless it is there already; the id in any case.
///
/// # Errors
/// Database failures.
pub async fn ensure(
    conn: &mut AsyncPgConnection,
    key: &str,
    name: &str,
    scopes: &[&str],
    organization: Option<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    let row = store::NewApiKey {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        key_hash: hash(key),
        hint: key.chars().take(6).collect(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        organization_id: organization,
        created_at: now,
    };
    store::insert_api_key(conn, &row).await
}
