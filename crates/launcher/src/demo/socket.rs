//! A chat socket as the replaced system's clients use it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::http::Http;

/// One open socket in a room.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    patience: Duration,
}

impl Socket {
    /// Opens `/ws/chat/{room}/` with an access token.
    pub async fn open(http: &Http, room: i64, token: &str, patience: Duration) -> Result<Self> {
        let url = format!("{}/ws/chat/{room}/?token={token}", http.socket_base());
        let (stream, _) = connect_async(url)
            .await
            .with_context(|| format!("the socket of room {room} was refused"))?;
        Ok(Self { stream, patience })
    }

    /// The HTTP status with which a socket is refused; 101 when it is not.
    pub async fn status(http: &Http, room: i64, token: &str) -> Result<u16> {
        let url = format!("{}/ws/chat/{room}/?token={token}", http.socket_base());
        match connect_async(url).await {
            Ok((_, answer)) => Ok(answer.status().as_u16()),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                Ok(answer.status().as_u16())
            }
            Err(error) => Err(error).context("the handshake broke off"),
        }
    }

    /// Sends one frame.
    pub async fn send(&mut self, frame: &Value) -> Result<()> {
        self.stream
            .send(Message::text(frame.to_string()))
            .await
            .context("the socket is closed")
    }

    /// Waits for the frame that carries this message text.
    pub async fn receive(&mut self, text: &str) -> Result<Value> {
        let wait = async {
            while let Some(frame) = self.stream.next().await {
                let Message::Text(frame) = frame? else {
                    continue;
                };
                let frame: Value = serde_json::from_str(&frame)?;
                if frame["message"] == text {
                    return Ok(frame);
                }
            }
            bail!("the socket was closed while waiting for `{text}`")
        };
        tokio::time::timeout(self.patience, wait)
            .await
            .unwrap_or_else(|_| bail!("`{text}` did not arrive over the socket"))
    }

    /// Closes the socket as a browser does.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
    }
}
