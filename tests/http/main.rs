//! The HTTP server from outside, over real sockets: what clients get, and what bad ones cannot do.

mod access;
mod clip;
mod description;
mod events;
mod flood;
mod held;
mod live;
mod long;
mod replies;
mod siege;
mod site;
mod tls;
mod writing;
