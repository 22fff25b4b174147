//! latchkey brings secrets from where they are kept to where Kubernetes workloads need them.
//!
//! ```text
//!            ┌────────────── cli ──────────────┐        wiring, offline commands
//!            │               │                 │
//!       controllers      admission     agent  esc       reconcile · mutate pods · in pods · embedded store
//!            │               │                 │
//!            └── generators ─┤                 │        make values
//!            ┌───────┘       │                 │
//!            └──── providers ┴ certs · runtime │        read remote secrets · TLS · process skeleton
//!                     │                        │
//!              model · http · cluster ─────────┘        checked types · outbound HTTP · our use of kube
//!                     │
//!      api · secret · template · telemetry · budget     wire types · secret values · logs and metrics
//! ```
//!
//! Arrows go down only; `tests/it/architecture.rs` holds the table and fails on any other import.
//!
//! | module | promises |
//! |---|---|
//! | [`secret`] | bytes that are wiped and cannot be printed |
//! | [`api`] | the kinds as on the wire, and their CRDs |
//! | [`template`] | Go's template language: bytes in, bytes out, bounded |
//! | [`telemetry`] | logs and metrics, and every metric name |
//! | [`budget`] | how often the server of a store is called |
//! | [`model`] | checked domain types; the controller's and the webhook's only parser |
//! | [`http`] | outbound HTTP with timeouts and trust settings |
//! | [`cluster`] | reading and writing Kubernetes objects |
//! | [`esc`] | a Pulumi-ESC-compatible store: evaluator, storage, server, client |
//! | [`providers`] | one trait, one module a backend |
//! | [`generators`] | one trait, one module a kind of generator |
//! | [`certs`] | the webhook's CA and leaf |
//! | [`runtime`] | probes, leader election, drain |
//! | [`controllers`] | observe, plan, apply |
//! | [`admission`] | the webhook |
//! | [`agent`] | fills volumes in memory from inside a pod |
//! | [`cli`] | commands |

pub mod admission;
pub mod agent;
pub mod api;
pub mod budget;
pub mod certs;
pub mod cli;
pub mod cluster;
pub mod controllers;
pub mod esc;
pub mod generators;
pub mod http;
pub mod model;
pub mod providers;
pub mod runtime;
pub mod secret;
pub mod telemetry;
pub mod template;
