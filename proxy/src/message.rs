//! What both halves of HTTP/1.1 have in common, the one towards clients and the one towards members. RFC 9112.
//!
//! [`content`] as it comes, what is [`leaving`], and the [`room`] that is read into. The heads are the matter of either half.

pub(crate) mod content;
pub(crate) mod leaving;
pub(crate) mod room;
