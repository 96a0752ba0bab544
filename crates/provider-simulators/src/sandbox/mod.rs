//! The sandbox payment provider: an API with bearer key, a hosted page in fa, fr and en, a browser redirect and signed
//! webhooks that are repeated until they are taken. Its behaviour can be made worse on purpose ([`Behaviour`]).

pub(crate) mod api;
pub(crate) mod hosted;
pub(crate) mod model;
mod store;
pub(crate) mod webhooks;

pub use model::{Behaviour, Delivery, Payment, PaymentStatus, Refund};
pub use store::{RefundError, Sandbox};
pub use webhooks::signature;
