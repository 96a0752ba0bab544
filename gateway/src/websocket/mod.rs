//! WebSockets: the handshake goes to the service like any request, then bytes flow both ways until one side ends.
//!
//! Extensions are not negotiated, so a frame's length is its length; both sides' frames are watched (see [`frames`]).
//! Once joined, the buffers of both HTTP connections are given back and bytes pass through one buffer of the worker: an
//! open socket costs little more than its two connections.

pub mod frames;
mod handshake;
mod relay;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_codec::{Encoder as _, Framed};
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, Request as ClientRequest, Response};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::handler::{Worker, handle};
use crate::wire::Guarded;
use crate::wire::flow::ClientBody;
use handshake::Joined;
pub(crate) use handshake::join;
use relay::Relay;

/// How long a connection that is being closed is still read, so that its last bytes are not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// Answers a client that asks for a WebSocket; when the service agreed, carries the bytes until one side ends.
pub(crate) async fn serve<T>(
    worker: Rc<Worker>,
    request: ClientRequest,
    framed: Framed<Guarded<T>, Codec>,
) -> Result<(), Infallible>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    // Boxed: what the handshake needs is given back before the bytes flow.
    match Box::pin(answer(&worker, request, framed)).await {
        Ok(Some(relay)) => relay.run(&worker).await,
        Ok(None) => {}
        // The client left before it was answered: nobody is there to be told.
        Err(error) => tracing::debug!(%error, "a handshake could not be answered"),
    }
    Ok(())
}

/// Writes the answer to the handshake. `None` when it was no agreement; the connection is closed then, because nobody
/// knows what the client's next bytes are.
async fn answer<T>(
    worker: &Rc<Worker>,
    request: ClientRequest,
    framed: Framed<Guarded<T>, Codec>,
) -> io::Result<Option<Relay<T>>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let parts = framed.into_parts();
    let (mut client, mut codec) = (parts.io, parts.codec);
    // Answers to earlier requests of this connection that were not written yet.
    let mut out = parts.write_buf;
    let mut answer = handle(worker, &request, ClientBody::socket()).await;
    drop(request);
    let joined = answer.extensions_mut().remove::<Joined>();
    let (mut head, body) = Response::<BoxBody>::from(answer).into_parts();
    if joined.is_none() {
        head.head_mut().set_connection_type(ConnectionType::Close);
    }
    codec.encode(Message::Item((head, body.size())), &mut out)?;
    if let Some(joined) = joined {
        client.write_all_buf(&mut out).await?;
        client.flush().await?;
        let client = client.into_inner();
        return Ok(Some(Relay::new(worker, client, parts.read_buf, joined)));
    }
    write_body(&mut client, &mut codec, out, body).await?;
    close(&mut client).await;
    Ok(None)
}

async fn write_body<T>(
    client: &mut T,
    codec: &mut Codec,
    mut out: BytesMut,
    mut body: BoxBody,
) -> io::Result<()>
where
    T: AsyncWrite + Unpin,
{
    if !matches!(body.size(), BodySize::None | BodySize::Sized(0)) {
        while let Some(piece) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await
        {
            let piece = piece.map_err(|error| io::Error::other(error.to_string()))?;
            codec.encode(Message::Chunk(Some(piece)), &mut out)?;
            client.write_all_buf(&mut out).await?;
        }
        codec.encode(Message::Chunk(None), &mut out)?;
    }
    client.write_all_buf(&mut out).await?;
    client.flush().await
}

/// Says that nothing more comes and reads what is still under way.
async fn close<T>(connection: &mut T)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let ending = async {
        if connection.shutdown().await.is_ok() {
            let mut rest = [0; 256];
            while matches!(connection.read(&mut rest).await, Ok(count) if count > 0) {}
        }
    };
    // Whoever neither reads nor closes within this time is cut off.
    let _ = timeout(LINGER, ending).await;
}
