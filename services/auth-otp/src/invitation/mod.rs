//! Invitations: an organisation's admin names a phone and a role, its owner proves the phone with a login code and
//! accepts.
//!
//! What always holds: nobody becomes a member by an invitation without a session that a code to that very phone opened
//! (a password alone, or a phone that somebody typed, proves nothing); a clinic role is offered by a clinic admin; the
//! offer dies with its time, by revocation, and with the inviter's right to make it; one phone has at most one living
//! invitation per organisation; what may be sent is bounded per organisation, per inviter and per phone.

mod answer;
pub mod dto;
pub mod http;
mod manage;
mod send;
mod store;
mod text;

pub(crate) use store::sweep;
