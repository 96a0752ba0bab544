//! People as chat knows them: a copy kept from `auth.user_*` events. Whoever calls before the event
//! arrived is known by the token alone, until the event brings the rest.

mod events;
pub(crate) mod store;

pub(crate) use events::CopyPerson;
pub(crate) use store::Person;
