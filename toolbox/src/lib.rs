//! The small static helper that runs inside containers. Not begun.
//!
//! What will come: a program without dependencies that reads an `ExecSpec` from standard input ahead of the user's bytes, and
//! runs the command with its environment, working directory and user, for systems whose exec has none of these (CRI,
//! Kubernetes). Nothing of the spec is in its arguments. Until it exists, drivers of such systems declare `exec.env`,
//! `exec.cwd` and `exec.user` as unsupported.
