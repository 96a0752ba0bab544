//! `/api/payment/**`: payments as django-chelseru's clients know them (wire.md 4.3, providers.md 3b).
//!
//! Amounts come in toman unless they say `IRR`; they are kept as rials and echoed as they came. Pay mode
//! 1 charges the wallet, 2 pays only. A gateway that is down still answers 200, as it always did.

pub(crate) mod dto;
pub(crate) mod http;
mod store;
pub(crate) mod verify;
