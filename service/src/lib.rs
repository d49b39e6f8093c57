//! The manners that every daemon shares.
