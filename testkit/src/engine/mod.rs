//! The engine behind every fake: host processes, images, logs and a ledger of what is alive.
