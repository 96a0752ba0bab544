//! What a handler may ask for in its signature: who calls, with which right, from where, in which
//! language, and with which body. A forgotten check does not compile (house.md, rule 4).

mod admission;
mod caller;
mod client_ip;
mod cookies;
mod fields;
pub mod json;
mod language;
mod machine;
pub mod origin;
mod params;
mod permission;
mod portal;

pub(crate) use admission::{Read, after_admission};
pub use admission::{admission, admitted};
pub(crate) use caller::refusal as caller_refusal;
pub use caller::{Caller, MaybeCaller, SensitiveCaller, SteppedUp, bearer};
pub use client_ip::{ClientIp, client_ip};
pub use cookies::cookie;
pub use fields::from_value;
pub use json::{Json, JsonBytes};
pub use language::{Lang, RouteLanguage, language};
pub use machine::{ApiKeyCaller, MachineCaller, ServiceCaller};
pub use params::{Path, Query};
pub use permission::{
    Allowed, ClinicAdmin, ClinicStaff, ContentMember, Doctor, MoneyStaff, OrganizationMember,
    Permission, Superuser,
};
pub use portal::{PORTAL_COOKIE, PortalCaller};
