//! The catalogue of exam types with prices, and the exams registered for patients.

mod dto;
mod error;
pub(crate) mod http;
mod service;
mod store;

pub(crate) use dto::ExamTypeResponse;
pub(crate) use store::{ExamTypeRow, find_exam_types, find_exam_types_by_number};
