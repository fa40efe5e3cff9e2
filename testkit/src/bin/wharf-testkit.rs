//! Serves and writes the images of the conformance suite.

fn main() {}
