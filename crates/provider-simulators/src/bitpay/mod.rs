//! The BitPay gateway (form dialect) and its Medogram twin (JSON dialect): both mirror the same three paths under
//! `/bitpay/payment/`. `gateway-send` answers a bare integer, negative ones are errors; the payer's page is
//! `gateway-{id_get}-get`; `gateway-result-second` verifies.

pub(crate) mod http;
mod store;

pub use store::{BitPay, GatewayPayment};
