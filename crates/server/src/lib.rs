//! The collector that is always on: takes in what workers do, judges it as it comes, opens incidents,
//! alerts, and shows all of it over HTTP.
//!
//! One process. Threads: HTTP (tokio), the store's writer, the judge that looks at workers in turn, and
//! the sender of alerts. Everything that a sender can grow is bounded, and what is dropped is counted.
//! It listens on loopback unless it has TLS and tokens, and never opens a path that came over the wire.

mod alerts;
mod api;
mod clock;
mod error;
mod events;
mod external;
mod fleet;
mod guard;
mod incidents;
mod judge;
mod listen;
mod metrics;
mod names;
mod openapi;
mod options;
mod otlp;
mod otlp_wire;
mod pages;
mod prometheus;
mod restore;
mod scrape;
mod serve;
mod sources;
mod uplink;
mod views;

pub use error::ServeError;
pub use options::{Receiver, ScrapeTarget, ServeOptions, Tls};
pub use serve::{Serving, serve};
pub use uplink::{Uplink, UplinkError};
