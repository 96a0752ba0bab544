//! WebSockets (H02, wire.md 4.5, Q-C1, Q-C2).
//!
//! A socket belongs to one person in one room. It is opened with an access token or a single-use
//! ticket, by a member of the room, from a page of ours. Each message is checked against the
//! membership again, stored, and only then told. The socket ends with its token or its session.

mod bridge;
mod frame;
pub(crate) mod http;
mod hub;
mod session;
mod ticket;

pub(crate) use bridge::start as start_bridge;
pub(crate) use hub::Hub;
pub(crate) use ticket::sweep as sweep_tickets;
