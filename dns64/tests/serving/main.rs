//! The daemon over real sockets: the resolver, and the whole program, against an upstream that follows a script.

mod failover;
mod names;

mod scripted;

mod synthesis;
mod world;
