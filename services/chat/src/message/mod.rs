//! Messages: durable before anyone hears of them, ordered within a room by their number, stored once
//! per `client_id` of their sender (Q-C2).

mod dto;
pub(crate) mod http;
pub(crate) mod service;
pub(crate) mod store;

pub(crate) use dto::{CreateMessageRequest, MessageResponse};
pub(crate) use service::Draft;
