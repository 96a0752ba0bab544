//! The keys of this process, read again every few seconds.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::clock::SharedClock;
use diesel_async::AsyncPgConnection;
use parking_lot::RwLock;
use service_auth::{KeyError, KeySet, PublicKey, SealContext, SealError, Sealer, Signer, Verifier};
use service_db::{Db, DbError};
use service_http::Check;
use uuid::Uuid;

use super::store::{self, KeyRow};
use crate::SERVICE;
use crate::settings::KeySettings;

/// How old the keys in memory may be.
const RELOAD_AFTER: Duration = Duration::from_secs(5);
/// The schedule of a ring that was given none: by hand only.
const BY_HAND: KeySettings = KeySettings {
    rotate_after_seconds: 0,
    publish_ahead_seconds: 15,
    overlap_seconds: 3600 + 60,
};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A query.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    /// A private key does not open under the platform key.
    #[error("a signing key cannot be opened: {0}")]
    Sealed(#[from] SealError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No key of this id.
    #[error("there is no signing key {0:?}")]
    NoSuchKey(String),
    /// The last key that signs cannot be retired.
    #[error("this is the only key that signs; rotate first")]
    OnlyKey,
}

#[derive(Clone)]
struct Loaded {
    keys: Arc<KeySet>,
    at: tokio::time::Instant,
}

struct Inner {
    db: Db,
    sealer: Sealer,
    clock: SharedClock,
    verifier: Verifier,
    loaded: RwLock<Option<Loaded>>,
    loading: tokio::sync::Mutex<()>,
}

/// The signing keys; cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    inner: Arc<Inner>,
    schedule: KeySettings,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

/// A key as `keys list` shows it.
#[derive(Debug, Clone)]
pub struct KeyState {
    /// The key's id.
    pub kid: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// `next`, `active`, `published` or `retired`.
    pub state: &'static str,
}

impl KeyRing {
    /// A ring that reads nothing yet. Keys it reads are also installed in `verifier`.
    #[must_use]
    pub fn new(db: Db, sealer: Sealer, clock: SharedClock, verifier: Verifier) -> Self {
        let inner = Inner {
            db,
            sealer,
            clock,
            verifier,
            loaded: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            schedule: BY_HAND,
        }
    }

    /// With another schedule of rotation.
    #[must_use]
    pub fn with_schedule(mut self, schedule: KeySettings) -> Self {
        self.schedule = schedule;
        self
    }

    /// Replaces the signing key when it is older than the schedule allows and no successor is on its way; the new key's
    /// id. Several processes may ask at once: the keys' lock lets one of them act.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn rotate_when_due(&self) -> Result<Option<String>, KeyRingError> {
        if self.schedule.rotate_after_seconds == 0 {
            return Ok(None);
        }
        let now = self.inner.clock.now();
        let oldest = now - TimeDelta::seconds(self.schedule.rotate_after_seconds);
        self.replace(|rows| {
            let next = rows.iter().any(|row| row.active_from > now);
            !next && active(rows, now).is_some_and(|row| row.active_from <= oldest)
        })
        .await
    }

    /// The keys, at most [`RELOAD_AFTER`] old; the first key is made when there is none.
    ///
    /// # Errors
    /// When none were ever read and the database does not answer.
    pub async fn get(&self) -> Result<Arc<KeySet>, KeyRingError> {
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        let _one_at_a_time = self.inner.loading.lock().await;
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        match self.load().await {
            Ok(keys) => Ok(keys),
            Err(error) => {
                let known = self
                    .inner
                    .loaded
                    .read()
                    .as_ref()
                    .map(|loaded| loaded.keys.clone());
                known.ok_or(error)
            }
        }
    }

    /// Whether there is a key to sign with.
    #[must_use]
    pub fn check(&self) -> Check {
        let ring = self.clone();
        Check::new("signing_keys", move || {
            let ring = ring.clone();
            async move {
                ring.get()
                    .await
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            }
        })
    }

    fn fresh(&self) -> Option<Arc<KeySet>> {
        let loaded = self.inner.loaded.read();
        let loaded = loaded.as_ref()?;
        (loaded.at.elapsed() < RELOAD_AFTER).then(|| loaded.keys.clone())
    }

    async fn load(&self) -> Result<Arc<KeySet>, KeyRingError> {
        let now = self.inner.clock.now();
        let mut conn = self.inner.db.get().await?;
        let mut rows = store::list_published(&mut conn, now).await?;
        drop(conn);
        if !rows.iter().any(|row| signs(row, now)) {
            rows = self.make_first(now).await?;
        }
        let keys = Arc::new(self.open(&rows, now)?);
        self.inner.verifier.install_keys(&keys.jwks());
        *self.inner.loaded.write() = Some(Loaded {
            keys: keys.clone(),
            at: tokio::time::Instant::now(),
        });
        Ok(keys)
    }

    async fn make_first(&self, now: DateTime<Utc>) -> Result<Vec<KeyRow>, KeyRingError> {
        let row = self.new_row(now)?;
        self.inner
            .db
            .transaction(
                async |conn: &mut AsyncPgConnection| -> Result<Vec<KeyRow>, KeyRingError> {
                    store::lock_keys(conn).await?;
                    let rows = store::list_published(conn, now).await?;
                    if rows.iter().any(|row| signs(row, now)) {
                        return Ok(rows);
                    }
                    store::insert_key(conn, &row).await?;
                    Ok(store::list_published(conn, now).await?)
                },
            )
            .await
    }

    /// Makes a new key that signs when every verifier knows it; the present ones stay published until no token needs
    /// them. Returns the new key's id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn rotate(&self) -> Result<String, KeyRingError> {
        let made = self.replace(|_| true).await?;
        made.ok_or_else(|| KeyRingError::NoSuchKey("next".to_owned()))
    }

    /// Makes a successor when `due` says so of the published keys, under the keys' lock.
    async fn replace(
        &self,
        due: impl Fn(&[KeyRow]) -> bool + Send + Sync,
    ) -> Result<Option<String>, KeyRingError> {
        let now = self.inner.clock.now();
        let active_from = now + TimeDelta::seconds(self.schedule.publish_ahead_seconds);
        let row = self.new_row(active_from)?;
        let until = active_from + TimeDelta::seconds(self.schedule.overlap_seconds);
        let made = self
            .inner
            .db
            .transaction(
                async |conn: &mut AsyncPgConnection| -> Result<bool, KeyRingError> {
                    store::lock_keys(conn).await?;
                    let published = store::list_published(conn, now).await?;
                    if !due(&published) {
                        return Ok(false);
                    }
                    for old in published {
                        if old.published_until.is_none() {
                            store::update_published_until(conn, old.id, until).await?;
                        }
                    }
                    store::insert_key(conn, &row).await?;
                    Ok(true)
                },
            )
            .await?;
        if made {
            self.forget();
        }
        Ok(made.then(|| row.kid.clone()))
    }

    /// Stops publishing a key at once: every token it signed is refused as soon as verifiers read the set again.
    ///
    /// # Errors
    /// When there is no such key, or it is the only one that signs.
    pub async fn retire(&self, kid: &str) -> Result<(), KeyRingError> {
        let now = self.inner.clock.now();
        self.inner
            .db
            .transaction(
                async |conn: &mut AsyncPgConnection| -> Result<(), KeyRingError> {
                    store::lock_keys(conn).await?;
                    let rows = store::list_published(conn, now).await?;
                    let row = rows.iter().find(|row| row.kid == kid);
                    let row = row.ok_or_else(|| KeyRingError::NoSuchKey(kid.to_owned()))?;
                    if !rows
                        .iter()
                        .any(|other| other.id != row.id && signs(other, now))
                    {
                        return Err(KeyRingError::OnlyKey);
                    }
                    Ok(store::update_published_until(conn, row.id, now).await?)
                },
            )
            .await?;
        self.forget();
        Ok(())
    }

    /// Every key with its state, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<KeyState>, KeyRingError> {
        let now = self.inner.clock.now();
        let mut conn = self.inner.db.get().await?;
        let rows = store::list_all(&mut conn).await?;
        let active = active(&rows, now).map(|row| row.id);
        let state = |row: &KeyRow| match row.published_until {
            Some(until) if until <= now => "retired",
            _ if Some(row.id) == active => "active",
            _ if row.active_from > now => "next",
            _ => "published",
        };
        let shown = rows.iter().map(|row| KeyState {
            kid: row.kid.clone(),
            created_at: row.created_at,
            state: state(row),
        });
        Ok(shown.collect())
    }

    fn forget(&self) {
        *self.inner.loaded.write() = None;
    }

    fn new_row(&self, active_from: DateTime<Utc>) -> Result<KeyRow, KeyRingError> {
        let signer = Signer::generate()?;
        signer.self_test()?;
        let id = Uuid::now_v7();
        let public_key = serde_json::to_value(signer.public()).map_err(|_| KeyError::NotPublic)?;
        Ok(KeyRow {
            id,
            kid: signer.kid().to_owned(),
            public_key,
            private_key: self
                .inner
                .sealer
                .seal(&place(id), signer.to_pem().as_bytes()),
            created_at: self.inner.clock.now(),
            active_from,
            published_until: None,
        })
    }

    fn open(&self, rows: &[KeyRow], now: DateTime<Utc>) -> Result<KeySet, KeyRingError> {
        let row = active(rows, now).ok_or_else(|| KeyRingError::NoSuchKey("active".to_owned()))?;
        let pem = self.inner.sealer.open(&place(row.id), &row.private_key)?;
        let pem = std::str::from_utf8(&pem).map_err(|_| KeyError::NotAKey)?;
        let signer = Signer::from_pem(Some(&row.kid), pem)?;
        let others = rows
            .iter()
            .filter_map(|row| serde_json::from_value::<PublicKey>(row.public_key.clone()).ok());
        Ok(KeySet::new(signer, others))
    }
}

fn place(row: Uuid) -> SealContext<'static> {
    SealContext {
        service: SERVICE,
        table: "signing_keys",
        row,
        column: "private_key",
    }
}

fn signs(row: &KeyRow, now: DateTime<Utc>) -> bool {
    row.active_from <= now && row.published_until.is_none_or(|until| until > now)
}

/// The key that signs: the one activated last. Rows come newest activation first or newest first, so the latest is
/// looked for.
fn active(rows: &[KeyRow], now: DateTime<Utc>) -> Option<&KeyRow> {
    rows.iter()
        .filter(|row| signs(row, now))
        .max_by_key(|row| (row.active_from, row.id))
}
