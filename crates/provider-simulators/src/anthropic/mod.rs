//! Anthropic's Messages API (version 2023-06-01): `x-api-key`, instructions apart from the conversation, named events.

mod http;

pub(crate) use http::routes;
