//! Commands: wiring and offline tools.
