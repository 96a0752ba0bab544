//! How often something may be called, as data (I22, wire.md 3.8): patterns with wildcards over routes (`/api/integrations/sms/*`)
//! and over actions (`text_generation`, `send_*`), counted by the shared limiter.
//!
//! What always holds: every route of this service passes [`middleware::enforce`], every AI call passes [`admit`], internal ones
//! too; a rule of an organisation binds its own callers only; a refused call takes nothing from any budget.

pub(crate) mod http;
pub(crate) mod middleware;
mod model;
mod past;
mod rules;
mod store;

pub(crate) use rules::{Rules, Who, admit, admit_person};
