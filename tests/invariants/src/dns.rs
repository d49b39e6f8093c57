//! The DNS64's judgements: of questions and the replies to them, of what upstreams answer, of hosts files and leases.
//!
//! Messages are read by [`view`], which shares no code with the daemon, and addresses are held to what is written out
//! in [`site`], so that nothing here trusts the daemon's own reading of its file.

pub mod names;
pub mod question;
pub mod records;
pub mod reply;
pub mod seeds;
pub mod site;
pub mod view;
