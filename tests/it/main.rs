//! Integration tests that need no cluster.

mod generated;
