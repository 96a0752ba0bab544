//! Memberships: who belongs to which organisation, with a role on each axis.
//!
//! What always holds: a membership's change raises the user's version too, because tokens and copies carry roles; a
//! clinic role is given by a clinic admin or a superuser; an organisation keeps its last content admin, and a clinic
//! its last clinic admin; a change ends the member's access tokens, so old roles are not honoured for their last
//! minutes.

pub mod actions;
pub mod dto;
pub mod http;
pub mod service;
pub mod store;
