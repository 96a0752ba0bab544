//! TalkBot as its clients know it (providers.md 7.3): chat completions of OpenAI's shape, no streaming, errors as plain
//! text, and speech to text by the public address of a recording.

mod http;

pub(crate) use http::routes;
