//! A fault proxy before any server.
