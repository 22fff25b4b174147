//! Environments, revisions and tokens on disk, encrypted.
