//! Portal's own signing keys: made at first use, sealed in the database, public halves published.

use std::sync::Arc;

use common_types::SharedClock;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_auth::{KeySet, PublicKey, SealContext, Sealer, Signer, Verifier};
use service_db::{Db, DbError};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{schema::signing_keys, state::SERVICE};

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct KeyTrouble(#[from] anyhow::Error);

impl From<DbError> for KeyTrouble {
    fn from(error: DbError) -> Self {
        Self(error.into())
    }
}

impl From<diesel::result::Error> for KeyTrouble {
    fn from(error: diesel::result::Error) -> Self {
        Self(DbError::Query(error).into())
    }
}

fn context(id: Uuid) -> SealContext<'static> {
    SealContext {
        service: SERVICE,
        table: "signing_keys",
        row: id,
        column: "private_key_sealed",
    }
}

/// The key set, loaded when it is first needed, so that a service whose database is away starts (live, not ready).
#[derive(Clone)]
pub(crate) struct KeyRing {
    db: Db,
    sealer: Sealer,
    clock: SharedClock,
    verifier: Verifier,
    loaded: Arc<OnceCell<Arc<KeySet>>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("loaded", &self.loaded.initialized())
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    pub(crate) fn new(db: Db, sealer: Sealer, clock: SharedClock, verifier: Verifier) -> Self {
        Self {
            db,
            sealer,
            clock,
            verifier,
            loaded: Arc::default(),
        }
    }

    /// The keys; the verifier of this process knows them from then on.
    ///
    /// # Errors
    /// When the database does not answer or the sealing key is not the one they were sealed under.
    pub(crate) async fn get(&self) -> anyhow::Result<Arc<KeySet>> {
        let keys = self
            .loaded
            .get_or_try_init(|| async {
                let keys = load_or_create(&self.db, &self.sealer, self.clock.now()).await?;
                self.verifier.install_portal_keys(&keys.jwks());
                Ok::<_, anyhow::Error>(Arc::new(keys))
            })
            .await?;
        Ok(Arc::clone(keys))
    }
}

/// The active signing key and all published ones; the first process to start makes the first key.
///
/// # Errors
/// When the database does not answer or the sealing key is not the one it was sealed under.
async fn load_or_create(
    db: &Db,
    sealer: &Sealer,
    now: chrono::DateTime<chrono::Utc>,
) -> anyhow::Result<KeySet> {
    let set = db
        .transaction(async |conn| {
            diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext('portal.signing_keys'))")
                .execute(conn)
                .await?;
            if let Some(set) = load(conn, sealer).await? {
                return Ok::<_, KeyTrouble>(set);
            }
            let signer = Signer::generate().map_err(anyhow::Error::new)?;
            let id = Uuid::now_v7();
            let jwk = serde_json::to_value(signer.public()).map_err(anyhow::Error::new)?;
            diesel::insert_into(signing_keys::table)
                .values((
                    signing_keys::id.eq(id),
                    signing_keys::kid.eq(signer.kid()),
                    signing_keys::private_key_sealed
                        .eq(sealer.seal(&context(id), signer.to_pem().as_bytes())),
                    signing_keys::public_jwk.eq(jwk),
                    signing_keys::state.eq("active"),
                    signing_keys::created_at.eq(now),
                ))
                .execute(conn)
                .await?;
            Ok(KeySet::new(signer, []))
        })
        .await?;
    Ok(set)
}

async fn load(conn: &mut AsyncPgConnection, sealer: &Sealer) -> Result<Option<KeySet>, KeyTrouble> {
    let rows: Vec<(Uuid, String, String, serde_json::Value, String)> = signing_keys::table
        .select((
            signing_keys::id,
            signing_keys::kid,
            signing_keys::private_key_sealed,
            signing_keys::public_jwk,
            signing_keys::state,
        ))
        .order_by(signing_keys::created_at.desc())
        .load(conn)
        .await?;
    let mut active = None;
    let mut others: Vec<PublicKey> = Vec::new();
    for (id, kid, sealed, jwk, state) in rows {
        if state == "active" {
            let pem = sealer
                .open(&context(id), &sealed)
                .map_err(anyhow::Error::new)?;
            let pem = std::str::from_utf8(&pem).map_err(anyhow::Error::new)?;
            active = Some(Signer::from_pem(Some(&kid), pem).map_err(anyhow::Error::new)?);
        } else {
            others.push(serde_json::from_value(jwk).map_err(anyhow::Error::new)?);
        }
    }
    Ok(active.map(|signer| KeySet::new(signer, others)))
}
