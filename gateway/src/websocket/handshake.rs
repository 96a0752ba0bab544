//! The handshake with the service.

use std::sync::Arc;

use actix_http::{ConnectionType, Request as ClientRequest};
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::auth::Authorization;
use crate::door::context::Context;
use crate::forward::{Behind, write_head};
use crate::handler::Worker;
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::upstream::answer::{Head, Length};
use crate::upstream::body::RequestBody;
use crate::upstream::instance::{Instance, Load, Place};
use crate::upstream::link::{CallError, Link};

/// The most bytes of a refusal's body.
const MAX_REFUSAL: usize = 64 * 1024;

/// A service that agreed; travels in the answer's extensions to whoever holds the client's connection.
pub(super) struct Joined {
    pub(super) service: TcpStream,
    /// What the service sent right behind its agreement.
    pub(super) early: Bytes,
    pub(super) place: Place,
    pub(super) load: Load,
}

/// Performs the handshake with the service. Its agreement is an answer of status 101 that holds the connection.
///
/// # Errors
/// What the client is told when the service could not be reached. A refusal of the service is passed on as it is.
pub(crate) async fn join(
    worker: &Worker,
    route: &Route,
    request: &ClientRequest,
    context: &Context,
    authorization: &Authorization,
) -> Result<HttpResponse, Refusal> {
    let service = worker.shared.upstreams.get(route.service);
    let name = route.service_name();
    let place = service
        .enter_websocket()
        .ok_or(Refusal::Unavailable(name, 5))?;
    let instance = service
        .pick(&[])
        .map(Arc::clone)
        .ok_or(Refusal::Unavailable(name, 2))?;
    let load = Load::new(&instance);
    let asking = ask(worker, &instance, request, context, authorization, route);
    let (answer, link) = match asking.await {
        Ok(joined) => {
            instance.breaker.succeeded();
            joined
        }
        Err(error) => {
            instance.breaker.failed();
            return Err(match error {
                CallError::Timeout => Refusal::Timeout(name),
                CallError::Broken | CallError::Unsent(_) => Refusal::BadGateway(name),
            });
        }
    };
    let mut response = answer.response;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return refused(response, answer.length, link, route).await;
    }
    response
        .head_mut()
        .set_connection_type(ConnectionType::Upgrade);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let (service, early) = link.into_parts();
    response.extensions_mut().insert(Joined {
        service,
        early,
        place,
        load,
    });
    Ok(response)
}

async fn ask(
    worker: &Worker,
    instance: &Instance,
    request: &ClientRequest,
    context: &Context,
    authorization: &Authorization,
    route: &Route,
) -> Result<(Head, Link), CallError> {
    let deadline = Instant::now() + route.timeout;
    let mut link = worker
        .pool
        .connect(instance)
        .await
        .map_err(|_| CallError::Broken)?;
    write_head(
        link.out(),
        worker,
        request,
        context,
        authorization,
        Behind::Frames,
    );
    let answer = link.call(RequestBody::Empty, false, deadline).await?;
    Ok((answer, link))
}

/// The service's refusal of a handshake, with its body (small by nature).
async fn refused(
    response: HttpResponse,
    mut length: Length,
    mut link: Link,
    route: &Route,
) -> Result<HttpResponse, Refusal> {
    let mut body = BytesMut::new();
    let mut waits = false;
    loop {
        let piece = std::future::poll_fn(|context| {
            link.poll_body(&mut length, route.timeout, &mut waits, context)
        });
        match piece.await {
            None => return Ok(response.set_body(BoxBody::new(body.freeze()))),
            Some(Ok(piece)) if body.len() + piece.len() <= MAX_REFUSAL => {
                body.extend_from_slice(&piece);
            }
            Some(_) => return Err(Refusal::BadGateway(route.service_name())),
        }
    }
}
