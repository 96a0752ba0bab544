//! People as patient-access knows them: a copy kept from `auth.user_*` events, filled on demand from
//! auth-otp when an event has not arrived yet.

mod events;
mod service;
mod store;

pub(crate) use events::CopyPerson;
pub(crate) use service::{of_id, of_phone};
pub(crate) use store::Person;
