//! Integration tests that need no cluster.
