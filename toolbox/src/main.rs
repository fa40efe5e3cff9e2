//! Small static helper that runs inside containers.

fn main() {}
