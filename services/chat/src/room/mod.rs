//! Rooms and who is in them (H02, wire.md 4.4).
//!
//! What always holds: two people share one room however often and from whichever side it is asked
//! for; whoever is not a member sees a room as if it did not exist; a person without a clinic role
//! can open rooms only with clinic staff.

mod dto;
pub(crate) mod http;
pub(crate) mod service;
pub(crate) mod store;

pub(crate) use dto::{CreateRoomRequest, RoomResponse, UpdateRoomRequest, UserResponse};
