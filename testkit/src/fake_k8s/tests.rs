mod client;
mod faults;
mod kubectl;
mod replay;
mod rest;
mod watches;
