//! Client of the ESC REST API.
