//! What happens to every request before it is routed and to every answer before it leaves.

pub mod address;
pub mod closing;
pub mod context;
pub mod cors;
pub mod head;
pub mod hold;
pub mod meter;
pub mod security;
