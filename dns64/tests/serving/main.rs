//! The daemon over real sockets: the resolver, and the whole program, against an upstream that follows a script.

#![expect(clippy::unwrap_used, reason = "what tests are made of fails by panicking, as tests do")]

mod circles;
mod crowd;
mod daemon;
mod datagrams;
mod encrypted;
mod explain;
mod failover;
mod faults;
mod flushing;
mod gate;
mod guests;
mod hosts;
mod kept;
mod lead;
mod limits;
mod load;
mod logging;
mod names;
mod program;
mod properties;
mod rebinding;
mod reload;
mod rules;
mod scripted;
mod secured;
mod site;
mod streams;
mod synthesis;
mod upstreams;
mod world;
mod zone;
