//! Over the socket, with the generated client.
