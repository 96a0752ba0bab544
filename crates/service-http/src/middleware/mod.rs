//! What happens around every handler: canonical paths, panics, and errors in the platform's shape.

mod guard;
mod pace;
mod path;

pub(crate) use guard::guard;
