//! Personal data of a fixed form in texts: phones, e-mail addresses, IBANs, bank cards, national ids, in Persian, Arabic and Latin digits.
//!
//! What always holds: nothing found here leaves for an AI provider; a placeholder does, and the answer gets the value back.

mod model;

pub(crate) use model::{mask, restore, warnings};
