//! Credentials of providers: sealed in the row, shown only as a mask of four and four characters, rotated without a
//! pause (they are held in memory for at most five seconds here and five minutes in payments).

pub(crate) mod change_http;
pub(crate) mod expiry;
pub(crate) mod http;
pub(crate) mod model;
pub(crate) mod store;
