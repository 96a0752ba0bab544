//! What every HTTP service of the platform shares: start and stop, errors, extractors, paging,
//! idempotency, rate limits, health.
//!
//! A service implements [`ServiceDefinition`] and its `main` is
//!
//! ```ignore
//! #[tokio::main]
//! async fn main() -> std::process::ExitCode {
//!     service_http::cli::main::<chat::Chat>().await
//! }
//! ```
//!
//! Routes are registered **without** a final slash (`web::resource("/api/chat/chatrooms")`); requests
//! with and without it reach them. Use `web::resource(path).get(a).post(b)` rather than
//! `.route(path, …)` twice, so that other methods answer 405.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admin;
pub mod body;
pub mod cli;
mod definition;
mod error;
pub mod extract;
pub mod health;
pub mod idempotency;
pub mod limits;
mod middleware;
mod paging;
pub mod server;
mod stack;
pub mod text;

pub use common_types::AccessClaims;
pub use definition::ServiceDefinition;
pub use error::{ApiError, FieldErrors};
pub use extract::{
    Allowed, ApiKeyCaller, Caller, ClientIp, ClinicAdmin, ClinicStaff, ContentMember, Doctor, Json,
    JsonBytes, Lang, MachineCaller, MaybeCaller, MoneyStaff, OrganizationMember, Path, Permission,
    PortalCaller, Query, RouteLanguage, SensitiveCaller, ServiceCaller, SteppedUp, Superuser,
};
pub use health::Check;
pub use limits::{Decision, Limit, RateLimiter};
pub use paging::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageQuery, paginate, paginate_by};
pub use server::ServiceApp;
pub use stack::{Background, Common, ServiceSettings, Stack};
pub use text::Text;
