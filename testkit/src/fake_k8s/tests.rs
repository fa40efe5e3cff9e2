mod client;
mod faults;
mod kubectl;
mod nodes;
mod replay;
mod replay_nodes;
mod rest;
mod watches;
