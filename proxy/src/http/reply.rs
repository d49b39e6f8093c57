//! What a member answers behind the head, whatever it speaks, and the connection that it comes on.

use super::connection::Connection;
use super::send::Pumping;
use super::upgrade::Asked;
use crate::relay::Leg;
use crate::upstream::{self, Http1, Stream, Tunnel};
use bytes::Bytes;
use h2::{RecvStream, SendStream};
use hyper::body::{Frame, SizeHint};
use hyper::header::HeaderValue;
use hyper::http::response;
use std::task::{Context, Poll, ready};

/// Why an answer is no whole one, or none that ends well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Http1(#[from] upstream::Broken),
    #[error(transparent)]
    Http2(#[from] h2::Error),
    /// The request was malformed. The source is what the stream is reset with.
    #[error("the request was malformed")]
    Malformed(#[source] h2::Error),
}

pub(crate) enum Reply {
    /// The connection is given back for the next request when the content has ended well.
    Http1(Box<Http1>),
    Http2(OfStream),
}

/// A tunnel that a member of HTTP/2 has granted.
pub(super) struct Granted {
    pub(super) sending: SendStream<Bytes>,
    /// What answers the key of a `WebSocket` of HTTP/1.1.
    pub(super) accept: Option<HeaderValue>,
}

/// The member's side of a connection that is to become a tunnel.
pub(super) struct Granting {
    pub(super) member: Leg,
    /// What was read ahead of it.
    pub(super) ahead: Bytes,
    /// What answers the key, where the member did not.
    pub(super) accept: Option<HeaderValue>,
}

/// Content of one stream.
pub(crate) struct OfStream {
    content: RecvStream,
    /// Octets that are still to come, where the head said it.
    left: Option<u64>,
    /// Whether only trailers may follow.
    read: bool,
    /// Whether nothing may.
    bare: bool,
    _pumping: Option<Pumping>,
    granted: Option<Box<Granted>>,
    /// Behind the others, which end the stream.
    stream: Stream,
}

impl Reply {
    /// `bare`: nothing follows the head.
    pub(super) fn http2(content: RecvStream, stream: Stream, pumping: Option<Pumping>, bare: bool) -> Self {
        let (left, granted) = (None, None);
        Self::Http2(OfStream { content, left, read: false, bare, _pumping: pumping, granted, stream })
    }

    /// The stream is a tunnel from here on.
    pub(super) fn tunnel(content: RecvStream, stream: Stream, granted: Granted) -> Self {
        let granted = Some(Box::new(granted));
        Self::Http2(OfStream {
            content,
            left: None,
            read: false,
            bare: false,
            _pumping: None,
            granted,
            stream,
        })
    }

    /// Whether an answer with this head grants what was asked for.
    pub(super) fn grants(&self, asked: &Asked, head: &response::Parts) -> bool {
        match self {
            Self::Http1(_) => asked.is_granted(head),
            Self::Http2(reply) => reply.granted.is_some(),
        }
    }

    /// The head said that so many octets come.
    pub(super) const fn expect(&mut self, length: Option<u64>) {
        if let Self::Http2(reply) = self {
            reply.left = length;
        }
    }

    /// The connection itself and what was read ahead on it, where the answer has ended the HTTP on it.
    pub(super) fn into_granting(self) -> Option<Granting> {
        match self {
            Self::Http1(upstream) => {
                let (member, ahead) = upstream.into_switched()?;
                Some(Granting { member: member.into(), ahead, accept: None })
            }
            Self::Http2(OfStream { content, granted, stream, .. }) => {
                let Granted { sending, accept } = *granted?;
                let member = Leg::part(Tunnel::new(content, sending, stream));
                Some(Granting { member, ahead: Bytes::new(), accept })
            }
        }
    }

    /// The connection serves this client only from here on.
    pub(super) fn keep_for_client(&mut self, client: &Connection) {
        match self {
            Self::Http1(upstream) => upstream.keep_for_client(),
            Self::Http2(reply) => client.local.upstreams.keep(&reply.stream, &client.own),
        }
    }

    /// The next part, driving the member's connection where nobody else does.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Http1(upstream) => {
                upstream.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Broken::from)))
            }
            Self::Http2(reply) => {
                reply.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Broken::from)))
            }
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(upstream) => upstream.has_ended(),
            Self::Http2(reply) => reply.is_end_stream(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(upstream) => upstream.left().map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Http2(reply) if reply.is_end_stream() => SizeHint::with_exact(0),
            Self::Http2(OfStream { left, .. }) => left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }

    /// Gives the connection back, of which all was taken.
    pub(super) fn release(self, client: &Connection) {
        if let Self::Http1(upstream) = self {
            client.local.upstreams.check_in(upstream, &client.own);
        }
    }
}

impl OfStream {
    fn is_end_stream(&self) -> bool {
        self.bare || self.content.is_end_stream()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.bare {
            return Poll::Ready(None);
        }
        if !self.read {
            if let Some(data) = ready!(self.content.poll_data(cx)).transpose()? {
                self.stream.is_answered();
                // The member may send as much again as soon as this is on its way.
                let _ = self.content.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.read = true;
        }
        let trailers = ready!(self.content.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}
