//! What every request's head is asked before anything else (Q-G1 to Q-G3).

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::http::{Version, header};

use crate::refusal::Refusal;
use crate::{headers, path};

/// What is wrong with a request whatever it asks for.
///
/// # Errors
/// 400, or 414 for a target that is too long.
pub fn check(hosts: &[String], request: &ClientRequest) -> Result<(), Refusal> {
    let uri = request.uri();
    if request.version() < Version::HTTP_2 && (uri.authority().is_some() || uri.scheme().is_some())
    {
        return Err(Refusal::Path(path::PathError::Form));
    }
    path::check(uri.path()).map_err(Refusal::Path)?;
    if let Some(query) = uri.query() {
        path::check_query(query).map_err(Refusal::Path)?;
    }
    if let Some(name) = headers::doubled(request.headers()) {
        return Err(Refusal::BadRequest(
            "request.header_twice",
            format!("The header {name} is given more than once."),
        ));
    }
    let host = match request.version() {
        Version::HTTP_2 => uri.authority().map(|authority| authority.as_str()),
        _ => request
            .headers()
            .get(header::HOST)
            .and_then(|value| value.to_str().ok()),
    };
    if !headers::host_is_fine(host, hosts) && !path::is_probe(uri.path()) {
        return Err(Refusal::BadRequest(
            "request.host",
            "The Host header is not one that is answered here.".into(),
        ));
    }
    Ok(())
}
