//! Images built from the guest program.
