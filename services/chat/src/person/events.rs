//! Keeps the copy of people.

use async_trait::async_trait;
use common_types::{
    clock::SharedClock,
    events::{
        Envelope,
        auth::{UserRegistered, UserUpdated},
    },
};
use diesel_async::AsyncPgConnection;
use service_events::{EventHandler, HandlerError};

use super::store::{self, NewPerson};

/// Applies `auth.user_registered` and `auth.user_updated`; an older version changes nothing.
#[derive(Clone)]
pub(crate) struct CopyPerson {
    clock: SharedClock,
}

impl CopyPerson {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { clock }
    }
}

macro_rules! copy {
    ($event:ty) => {
        #[async_trait]
        impl EventHandler<$event> for CopyPerson {
            async fn handle(
                &self,
                conn: &mut AsyncPgConnection,
                _: &Envelope,
                event: $event,
            ) -> Result<(), HandlerError> {
                let (organization_ids, clinic_organization_ids) =
                    store::organizations(&event.memberships);
                let person = NewPerson {
                    id: event.user_id,
                    number: event.number,
                    phone: event.phone.map(|phone| phone.e164().to_owned()),
                    username: event.username,
                    full_name: event.full_name,
                    language: event.language.as_str().to_owned(),
                    is_active: event.is_active,
                    organization_ids,
                    clinic_organization_ids,
                    version: event.aggregate_version,
                    updated_at: self.clock.now(),
                };
                store::upsert_person(conn, person).await?;
                Ok(())
            }
        }
    };
}

copy!(UserRegistered);
copy!(UserUpdated);
