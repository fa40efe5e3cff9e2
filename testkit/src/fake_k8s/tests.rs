mod client;
mod faults;
mod kubectl;
mod nodes;
mod replay;
mod rest;
mod watches;
