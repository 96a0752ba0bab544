//! The log of everything done with a provider (I08). It never holds a key, a code, a text or a whole phone number:
//! callers hand over masked values only, and [`redact`] removes what looks like a secret all the same.

pub(crate) mod http;
mod redact;
pub(crate) mod store;

pub(crate) use redact::redact;
