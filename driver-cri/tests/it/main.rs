//! The driver against testkit's fake CRI server, over a real socket.

mod bench;
mod connect;
mod containers;
mod failures;
mod logs;
mod pods;
mod secrets;
