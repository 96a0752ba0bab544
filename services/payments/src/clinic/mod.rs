//! The clinic's lists over copies of portal's invoices and published reports: paid but not reported,
//! reported but not paid. The same copies tell when more was paid on an invoice than it asks for.
//!
//! Always holds: a copy shows the newest version that arrived; an overpaid invoice is in the queue of
//! differences until somebody gave the surplus back or accepted it.

mod backfill;
mod copies;
mod events;
pub(crate) mod http;
mod store;

pub use backfill::fill_clinic_lists;
pub(crate) use events::CopyInvoice;
pub(crate) use store::watch_invoice;
