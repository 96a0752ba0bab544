//! The rows that every call needs, read at most once a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use service_http::ApiError;
use uuid::Uuid;

use super::model::{self, Scope};
use super::store;
use crate::state::AppState;

/// A switch of another process is felt at most this long after.
const HELD: Duration = Duration::from_secs(1);

/// The switches and blocks of a moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Scope → when it ends; none ends by itself.
    switches: HashMap<String, Option<DateTime<Utc>>>,
    /// Source → until when.
    blocks: HashMap<String, DateTime<Utc>>,
}

impl Snapshot {
    /// Until when nothing is taken from this address.
    pub(crate) fn blocked_until(&self, ip: IpAddr, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.blocks.is_empty() {
            return None;
        }
        [model::source(ip), model::network(ip)]
            .iter()
            .filter_map(|source| self.blocks.get(source).copied())
            .filter(|until| now < *until)
            .max()
    }

    /// Whether calls must bring an answer.
    pub(crate) fn is_challenging(&self, now: DateTime<Utc>) -> bool {
        self.stands(&Scope::Challenge, now).is_some()
    }

    /// The end of the switch that stops this code; the inner `None` ends by a person only.
    pub(crate) fn stop(
        &self,
        purpose: &str,
        organization: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Option<Option<DateTime<Utc>>> {
        if self.switches.is_empty() {
            return None;
        }
        self.stands(&Scope::All, now)
            .or_else(|| self.stands(&Scope::Purpose(purpose.to_owned()), now))
            .or_else(|| organization.and_then(|id| self.stands(&Scope::Organization(id), now)))
    }

    fn stands(&self, scope: &Scope, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
        let ends_at = self.switches.get(&scope.to_string())?;
        model::lives(*ends_at, now).then_some(*ends_at)
    }
}

/// Holds the newest snapshot.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    held: Mutex<Option<(Instant, Arc<Snapshot>)>>,
    reading: tokio::sync::Mutex<()>,
}

impl Snapshots {
    /// The snapshot, read anew when it is older than a second; one caller reads, the others wait for it.
    ///
    /// # Errors
    /// When the database does not answer: what is not known is not let in.
    pub(crate) async fn get(&self, state: &AppState) -> Result<Arc<Snapshot>, ApiError> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let _one = self.reading.lock().await;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let mut conn = state.stack.db.get().await?;
        let now = state.now();
        let snapshot = Arc::new(Snapshot {
            switches: store::list_living_switches(&mut conn, now)
                .await?
                .into_iter()
                .map(|row| (row.scope, row.ends_at))
                .collect(),
            blocks: store::list_living_blocks(&mut conn, now)
                .await?
                .into_iter()
                .collect(),
        });
        *self.held.lock() = Some((Instant::now(), snapshot.clone()));
        Ok(snapshot)
    }

    /// Forgets what is held, after a change.
    pub(crate) fn forget(&self) {
        *self.held.lock() = None;
    }

    fn fresh(&self) -> Option<Arc<Snapshot>> {
        let held = self.held.lock();
        held.as_ref()
            .filter(|(read, _)| read.elapsed() < HELD)
            .map(|(_, snapshot)| snapshot.clone())
    }
}
