//! Invoices: lines, tax inside the price, gapless numbers, states, papers. What always holds: the lines add up to the total; a paid
//! invoice names the patient's one key set (INV5); nothing that bears money is erased.

mod create;
mod dto;
mod error;
pub(crate) mod http;
pub(crate) mod internal;
mod list;
mod model;
mod paper;
mod settle;
pub(crate) mod states;
mod store;
mod update;

pub(crate) use dto::{InvoiceResponse, respond_many};
pub(crate) use error::InvoiceError;
pub(crate) use paper::Paper;
pub(crate) use settle::{Totals, reevaluate, totals};
pub(crate) use store::{
    InvoiceRow, find_invoice_by_number, find_invoices, find_paid_for_access, lock_invoice,
    next_in_series,
};
