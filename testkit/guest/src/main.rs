//! The one static program inside every image of the conformance suite.

fn main() {}
