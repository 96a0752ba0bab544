//! API keys of partner systems (SOAPify): shown once, stored as a hash, asked for by introspection.

pub mod dto;
pub mod http;
pub mod manage;
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

/// Its first characters, by which people know it.
fn hint(key: &str) -> String {
    key.chars().take(6).collect()
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
        hint: hint(key),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        organization_id: organization,
        created_at: now,
        expires_at: None,
        created_by: None,
    };
    let id = store::insert_api_key(conn, &row).await?;
    // A key that was there keeps its name and end; what it may do follows the newest wish.
    let changes = store::ApiKeyChanges {
        scopes: Some(row.scopes),
        ..store::ApiKeyChanges::default()
    };
    store::update_api_key(conn, id, &changes).await?;
    Ok(id)
}
