//! What all handlers share: who calls, French field errors, the list envelope, audit rows.

mod audit;
mod form;
mod french;
mod money;
mod once;
mod page;
mod staff;

pub(crate) use audit::{Act, Who};
pub(crate) use form::Form;
pub(crate) use french::{login_required, no_role};
pub(crate) use money::{hundredths_text, money_number, money_text};
pub(crate) use once::Once;
pub(crate) use page::{ListQuery, Listing, filter_day, filter_number, search_words};
pub(crate) use staff::{Action, Staff};
pub(crate) mod actions;
pub(crate) mod words {
    //! Field messages of Django in French, byte for byte (cimef.md 0).
    pub(crate) use super::french::*;
}
