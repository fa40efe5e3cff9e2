//! SPDY/3.1 as container runtimes speak it: streams over one connection, each with an end of its own in both directions.
