//! A store that speaks Pulumi ESC's protocol: evaluator, encrypted storage, HTTP server, client.

pub mod client;
pub mod crypt;
pub mod eval;
pub mod server;
pub mod store;
