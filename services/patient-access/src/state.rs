//! What handlers, consumers and jobs share.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use diesel::{QueryResult, QueryableByName, sql_types::Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_auth::{InternalClient, Sealer};
use service_http::Stack;

use crate::{
    GrantSettings, LimitSettings, Settings,
    soapify::{self, PatientSource},
};

/// Built once per process, cloned cheaply.
#[derive(Clone)]
pub struct AppState {
    /// Database, broker, clock, verifier.
    pub stack: Stack,
    /// Budgets, already widened in development.
    pub limits: LimitSettings,
    /// Life of a consent.
    pub grant: GrantSettings,
    /// Seals what rests.
    pub sealer: Sealer,
    /// The internal routes of auth-otp: codes and users.
    pub auth_otp: InternalClient,
    /// Where summaries come from.
    pub(crate) source: Arc<dyn PatientSource>,
}

impl fmt::Debug for AppState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppState")
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}

impl AppState {
    /// Builds the state over a stack.
    ///
    /// # Errors
    /// When the sealing keys or the source cannot be used.
    pub fn new(settings: &Settings, stack: Stack) -> anyhow::Result<Self> {
        let mut limits = settings.limits;
        if stack.environment_is_development() {
            limits.per_patient_per_hour *= 100;
            limits.per_patient_per_day *= 100;
            limits.per_doctor_per_hour *= 100;
        }
        Ok(Self {
            limits,
            grant: settings.grant,
            sealer: Sealer::from_settings(&settings.sealing)?,
            auth_otp: stack.internal(&settings.peers.auth_otp),
            source: soapify::source(settings, &stack)?,
            stack,
        })
    }

    /// The time by the database's clock, which all processes share, so that a process whose clock
    /// is wrong lets no grant live longer (Q-A7). A clock that tests moved counts on top.
    pub(crate) async fn database_time(
        &self,
        conn: &mut AsyncPgConnection,
    ) -> QueryResult<DateTime<Utc>> {
        #[derive(QueryableByName)]
        struct Now {
            #[diesel(sql_type = Timestamptz)]
            now: DateTime<Utc>,
        }
        let moved = self.stack.clock.now() - Utc::now();
        let now: Now = diesel::sql_query("SELECT clock_timestamp() AS now")
            .get_result(conn)
            .await?;
        // The system clock read twice differs by microseconds; only a moved clock differs by more.
        Ok(if moved.num_milliseconds().abs() < 100 {
            now.now
        } else {
            now.now + moved
        })
    }
}
