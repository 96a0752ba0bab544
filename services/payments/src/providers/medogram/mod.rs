//! The gateway at api.medogram.ir, which speaks BitPay's protocol (wire.md 2.6, 7.3; providers.md
//! 9.4): `gateway-send` answers a bare positive integer, the payment's id; `gateway-result-second`
//! takes the id and the number that the payer's browser brought back, and answers the verified
//! amount (JSON dialect) or `{status, amount, factorId}` (BitPay's own form dialect).

mod client;

pub use client::{Medogram, SLUG};
