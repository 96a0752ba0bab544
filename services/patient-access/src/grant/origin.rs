//! Who asks, and from where.

use std::net::IpAddr;

use actix_web::HttpRequest;
use common_types::{AccessClaims, ClinicRole};
use service_http::{ApiError, Permission, extract::client_ip};
use uuid::Uuid;

/// A doctor on a route that opens or reads consent: refused while revocations are unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsentDoctor;

impl Permission for ConsentDoctor {
    const NAME: &'static str = "patient_access.doctor";
    const SENSITIVE: bool = true;

    fn allows(claims: &AccessClaims) -> bool {
        claims.org.is_some() && claims.clinic_role == Some(ClinicRole::Doctor)
    }
}

/// The organisation a doctor works in; the permission has seen that there is one.
pub(crate) fn organization_of(claims: &AccessClaims) -> Result<Uuid, ApiError> {
    claims.org.ok_or_else(ApiError::permission_denied)
}

/// Where a request came from, for the audit row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) request_id: Option<String>,
}

impl Origin {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self {
            ip: Some(client_ip(request)),
            request_id: service_telemetry::current_request_id(),
        }
    }
}
