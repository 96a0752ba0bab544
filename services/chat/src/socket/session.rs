//! The life of one open socket.

use std::{sync::Arc, time::Duration};

use actix_ws::{CloseCode, CloseReason, MessageStream, Session};
use common_types::AccessClaims;
use futures_util::StreamExt;
use serde_json::json;
use service_http::ApiError;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use super::{
    frame::{Assembler, Broken, Incoming, Said, understand},
    hub::{Order, Seat},
};
use crate::{
    AppState,
    error::ChatError,
    message::{self, Draft},
    room::store as rooms,
};

/// How often the token behind a socket is looked at: a revocation is felt well within 5 s (Q-A6).
const WATCH: Duration = Duration::from_secs(1);
/// Application close codes: the token ended, the person left the room.
const TOKEN_ENDED: CloseCode = CloseCode::Other(4401);
const LEFT: CloseCode = CloseCode::Other(4403);

/// Whether the token of `claims` has expired or its session was revoked.
pub(crate) fn has_ended(state: &AppState, claims: &AccessClaims) -> bool {
    claims.exp <= state.stack.clock.now().timestamp()
        || state
            .stack
            .verifier
            .revocations()
            .is_revoked(claims.sid, claims.sub, claims.iat)
}

/// Serves a socket until either side ends it.
pub(crate) async fn run(
    state: AppState,
    room: i64,
    room_id: Uuid,
    claims: Arc<AccessClaims>,
    mut seat: Seat,
    mut socket: Session,
    mut stream: MessageStream,
) {
    let mut assembler = Assembler::new(state.socket.max_message_bytes);
    let mut pace = Pace::new(state.socket.messages_per_second);
    let ping = Duration::from_secs(state.socket.ping_seconds);
    let mut last_heard = Instant::now();
    let mut last_ping = Instant::now();
    let mut watch = interval(WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reason = loop {
        tokio::select! {
            order = seat.orders.recv() => match order {
                Some(Order::Send(text)) => {
                    if socket.text(text.as_ref()).await.is_err() {
                        break None;
                    }
                }
                Some(Order::Leave) => break Some(Broken(LEFT, "left the room")),
                // The hub has let this socket go: its reader is too slow.
                None => break Some(Broken(CloseCode::Again, "too slow")),
            },
            message = stream.next() => {
                last_heard = Instant::now();
                let incoming = match message {
                    Some(Ok(message)) => assembler.take(message),
                    Some(Err(_)) => Err(Broken(CloseCode::Protocol, "a frame that cannot be read")),
                    None => break None,
                };
                let answer = match incoming {
                    Ok(Incoming::Text(text)) if pace.allows(Instant::now()) => hear(&state, room, room_id, &claims, &text).await,
                    Ok(Incoming::Text(_)) => Some(error_frame("chat.too_fast", "Too many messages per second.")),
                    Ok(Incoming::Unusable) => Some(error_frame("chat.frame_unusable", "Only JSON text is understood.")),
                    Ok(Incoming::Ping(bytes)) => {
                        if socket.pong(&bytes).await.is_err() {
                            break None;
                        }
                        None
                    }
                    Ok(Incoming::Pong | Incoming::Nothing) => None,
                    Ok(Incoming::Closed) => break Some(Broken(CloseCode::Normal, "")),
                    Err(broken) => break Some(broken),
                };
                if let Some(answer) = answer
                    && socket.text(answer).await.is_err()
                {
                    break None;
                }
            }
            _ = watch.tick() => {
                if has_ended(&state, &claims) {
                    break Some(Broken(TOKEN_ENDED, "the token has ended"));
                }
                if last_heard.elapsed() > ping * 3 {
                    break Some(Broken(CloseCode::Away, "not heard from"));
                }
                if last_ping.elapsed() >= ping {
                    last_ping = Instant::now();
                    if socket.ping(b"").await.is_err() {
                        break None;
                    }
                }
            }
        }
    };
    drop(seat);
    let reason = reason.map(|Broken(code, description)| CloseReason {
        code,
        description: Some(description.to_owned()).filter(|text| !text.is_empty()),
    });
    // The other side may be gone already.
    let _ = socket.close(reason).await;
}

/// Does what a client's text says; answers an error frame when it cannot.
async fn hear(
    state: &AppState,
    room: i64,
    room_id: Uuid,
    claims: &AccessClaims,
    text: &str,
) -> Option<String> {
    match understand(text) {
        Said::Message(draft) => say(state, room, claims, draft).await,
        Said::Signal(signal) => match may_signal(state, room, claims).await {
            Ok(()) => {
                state.hub.tell_room(room_id, Some(claims.sub), signal);
                None
            }
            Err(error) => Some(refusal_frame(error, None)),
        },
        Said::Nonsense => Some(error_frame(
            "chat.frame_unusable",
            "Only JSON objects are understood.",
        )),
    }
}

async fn say(state: &AppState, room: i64, claims: &AccessClaims, draft: Draft) -> Option<String> {
    let client_id = draft.client_id.clone();
    match message::service::post_message(state, claims, room, &draft).await {
        Ok(posted) if posted.is_new => None,
        // Told before; whoever sent it again has not heard so.
        Ok(posted) => Some(posted.frame(room).to_string()),
        Err(error) => Some(refusal_frame(error, client_id)),
    }
}

async fn may_signal(state: &AppState, room: i64, claims: &AccessClaims) -> Result<(), ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (_, member) = rooms::find_room_for_member(&mut conn, room, claims.sub)
        .await?
        .ok_or(ChatError::RoomUnknown)?;
    if member.may_write() {
        Ok(())
    } else {
        Err(ChatError::Banned)
    }
}

fn refusal_frame(error: ChatError, client_id: Option<String>) -> String {
    let text = error.to_string();
    let error = ApiError::from(error);
    if let Some(cause) = error.cause() {
        tracing::error!(
            cause = format!("{cause:#}"),
            "a socket's message could not be handled"
        );
        return json!({ "type": "error", "code": error.code(), "detail": "An internal error occurred.", "client_id": client_id })
            .to_string();
    }
    json!({ "type": "error", "code": error.code(), "detail": text, "client_id": client_id })
        .to_string()
}

fn error_frame(code: &str, detail: &str) -> String {
    json!({ "type": "error", "code": code, "detail": detail }).to_string()
}

/// So many messages a second, with a burst of as many.
struct Pace {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            tokens: f64::from(per_second),
            at: Instant::now(),
        }
    }

    fn allows(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.at = now;
        self.tokens = (self.tokens + gained).min(self.per_second);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_c2_a_socket_says_only_so_much_a_second() {
        let mut pace = Pace::new(20);
        let start = pace.at;
        assert_eq!((0..100).filter(|_| pace.allows(start)).count(), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| pace.allows(later)).count(), 10);
    }
}
