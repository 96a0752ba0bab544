//! What the gateway answers itself: the web application's files, the API pages, a first page.

pub mod documents;
pub mod files;
pub mod first;
pub mod own;
pub mod redoc;
