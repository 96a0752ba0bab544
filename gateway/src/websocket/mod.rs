//! WebSockets: the handshake goes to the service like any request, then bytes flow both ways until one side ends.
//!
//! Extensions are not negotiated, so a frame's length is its length; a client's frames are watched (see [`frames`]).

pub mod frames;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, rt};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, timeout};

use crate::auth::Authorization;
use crate::door::context::Context;
use crate::forward::{copy_back, head};
use crate::handler::Worker;
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::upstream::body::RequestBody;
use crate::upstream::instance::{Load, Place};
use frames::{FrameWatch, close_frame};

/// Close code "service restart" (IANA registry of WebSocket close codes).
const RESTART: u16 = 1012;
/// Close code "going away", for a silent connection.
const GOING_AWAY: u16 = 1001;

/// Performs the handshake with the service and joins the two connections.
///
/// # Errors
/// What the client is told when the service could not be reached. A refusal of the service is passed on as it is.
pub async fn join(
    worker: &Worker,
    route: &Route,
    request: &HttpRequest,
    payload: Payload,
    context: &Context,
    authorization: &Authorization,
) -> Result<HttpResponse, Refusal> {
    let service = worker.shared.upstreams.get(route.service);
    let name = route.service_name();
    let place = service
        .enter_websocket()
        .ok_or(Refusal::Unavailable(name, 5))?;
    let instance = Rc::new(
        service
            .pick(&[])
            .cloned()
            .ok_or(Refusal::Unavailable(name, 2))?,
    );
    let load = Load::new(&instance);
    let handshake = async {
        let stream = worker
            .pool
            .open(&instance)
            .await
            .map_err(|_| Refusal::BadGateway(name))?;
        let (mut sender, connection) = http1::handshake::<_, RequestBody>(TokioIo::new(stream))
            .await
            .map_err(|_| Refusal::BadGateway(name))?;
        rt::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        let mut outgoing =
            head(worker, request, context, authorization).map(|()| RequestBody::Empty);
        let headers = outgoing.headers_mut();
        headers.remove("sec-websocket-extensions");
        headers.insert(
            http::header::CONNECTION,
            http::HeaderValue::from_static("upgrade"),
        );
        headers.insert(
            http::header::UPGRADE,
            http::HeaderValue::from_static("websocket"),
        );
        sender
            .send_request(outgoing)
            .await
            .map_err(|_| Refusal::BadGateway(name))
    };
    let answer = match timeout(route.timeout, handshake).await {
        Ok(Ok(answer)) => {
            instance.breaker.succeeded();
            answer
        }
        Ok(Err(refusal)) => {
            instance.breaker.failed();
            return Err(refusal);
        }
        Err(_) => {
            instance.breaker.failed();
            return Err(Refusal::Timeout(name));
        }
    };
    if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return refused(answer, name).await;
    }
    let mut response = HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS);
    copy_back(answer.headers(), &mut response);
    response.upgrade("websocket");
    let upgraded = hyper::upgrade::on(answer)
        .await
        .map_err(|_| Refusal::BadGateway(name))?;
    let (reader, writer) = split(TokioIo::new(upgraded));
    let (say, said) = mpsc::channel(4);
    let settings = &worker.shared.settings.websocket;
    let up = Up {
        payload,
        writer,
        watch: FrameWatch::new(settings.max_frame_bytes),
        say,
        idle: Duration::from_secs(settings.idle_seconds),
        stop: worker.shared.stopping.clone(),
    };
    let task = rt::spawn(up.run());
    metrics::gauge!("gateway_websockets").increment(1.0);
    Ok(response.body(Down {
        reader,
        said,
        buffer: BytesMut::with_capacity(4096),
        ended: false,
        silence: None,
        idle: Duration::from_secs(settings.idle_seconds),
        task,
        _place: place,
        _load: load,
    }))
}

/// The service's refusal of a handshake, with its body (small by nature).
async fn refused(
    answer: hyper::Response<hyper::body::Incoming>,
    service: &'static str,
) -> Result<HttpResponse, Refusal> {
    use http_body_util::{BodyExt, Limited};
    let (parts, body) = answer.into_parts();
    let status =
        StatusCode::from_u16(parts.status.as_u16()).map_err(|_| Refusal::BadGateway(service))?;
    let body = Limited::new(body, 64 * 1024)
        .collect()
        .await
        .map_err(|_| Refusal::BadGateway(service))?
        .to_bytes();
    let mut response = HttpResponse::build(status);
    copy_back(&parts.headers, &mut response);
    response.force_close();
    Ok(response.body(body))
}

/// From the client to the service.
struct Up {
    payload: Payload,
    writer: WriteHalf<TokioIo<Upgraded>>,
    watch: FrameWatch,
    say: mpsc::Sender<Bytes>,
    idle: Duration,
    stop: tokio_util::sync::CancellationToken,
}

impl Up {
    async fn run(mut self) {
        loop {
            let chunk = tokio::select! {
                chunk = self.payload.next() => chunk,
                () = self.stop.cancelled() => {
                    self.end(&close_frame(RESTART)).await;
                    break;
                }
            };
            let Some(Ok(bytes)) = chunk else { break };
            if let Err(error) = self.watch.look(&bytes) {
                self.end(&error.close_frame()).await;
                break;
            }
            if !matches!(
                timeout(self.idle, self.writer.write_all(&bytes)).await,
                Ok(Ok(()))
            ) {
                break;
            }
        }
        // The service sees the end and closes its side, which ends the other direction.
        let _ = self.writer.shutdown().await;
    }

    async fn end(&self, frame: &[u8]) {
        let _ = self.say.send(Bytes::copy_from_slice(frame)).await;
    }
}

/// From the service to the client.
struct Down {
    reader: ReadHalf<TokioIo<Upgraded>>,
    said: mpsc::Receiver<Bytes>,
    buffer: BytesMut,
    ended: bool,
    silence: Option<Pin<Box<Sleep>>>,
    idle: Duration,
    task: rt::task::JoinHandle<()>,
    _place: Place,
    _load: Load,
}

impl Drop for Down {
    fn drop(&mut self) {
        self.task.abort();
        metrics::gauge!("gateway_websockets").decrement(1.0);
    }
}

impl MessageBody for Down {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Bytes, std::io::Error>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        // A word of the gateway's own is the last one.
        if let Poll::Ready(Some(frame)) = this.said.poll_recv(context) {
            this.ended = true;
            return Poll::Ready(Some(Ok(frame)));
        }
        let mut space = [0_u8; 16 * 1024];
        let mut read = ReadBuf::new(&mut space);
        match Pin::new(&mut this.reader).poll_read(context, &mut read) {
            Poll::Ready(Ok(())) if read.filled().is_empty() => Poll::Ready(None),
            Poll::Ready(Ok(())) => {
                this.silence = None;
                this.buffer.extend_from_slice(read.filled());
                Poll::Ready(Some(Ok(this.buffer.split().freeze())))
            }
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => {
                // Only the service's side is watched here: a chat service pings, and a client that lives answers.
                let idle = this.idle;
                let timer = this.silence.get_or_insert_with(|| Box::pin(sleep(idle)));
                if timer.as_mut().poll(context).is_ready() {
                    this.ended = true;
                    return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&close_frame(GOING_AWAY)))));
                }
                Poll::Pending
            }
        }
    }
}
