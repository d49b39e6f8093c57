//! The request of a check by HTTP/2, on a connection of its own.

use super::http;
use super::probe::{Awaited, beside};
use crate::pool::health::Verdict;
use crate::stream::Stream;
use bytes::Bytes;
use config::model::HttpCheck;
use h2::client::{Builder, SendRequest};
use hyper::Uri;
use hyper::header::{CONNECTION, HOST};
use hyper::http::uri::{Authority, Scheme};
use std::future::poll_fn;

/// Asks, and says what came of it.
pub(super) async fn check(stream: Stream, check: &HttpCheck, host: &str, awaited: &Awaited) -> Verdict {
    let scheme = if stream.is_bare() { Scheme::HTTP } else { Scheme::HTTPS };
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(u32::try_from(http::LOOKED_AT).unwrap_or(u32::MAX));
    let asked = match builder.handshake(stream).await {
        Ok((sender, connection)) => {
            beside(connection, exchange(sender, (check, scheme, host), awaited)).await
        }
        Err(error) => Err(error),
    };
    asked.unwrap_or_else(|error| explain(&error))
}

async fn exchange(
    mut sender: SendRequest<Bytes>,
    (check, scheme, host): (&HttpCheck, Scheme, &str),
    awaited: &Awaited,
) -> Result<Verdict, h2::Error> {
    let (answer, _) = sender.send_request(request(check, scheme, host), true)?;
    let answer = answer.await?;
    let status = answer.status();
    if let Err(bad) = http::judge_status(check, status) {
        return Ok(bad);
    }
    let Some(wanted) = check.expect_body.as_deref() else { return Ok(http::judge_body(status, None)) };
    awaited.set("whole body");
    let (mut content, mut body) = (answer.into_body(), http::Body::default());
    while let Some(part) = poll_fn(|cx| content.poll_data(cx)).await.transpose()? {
        if body.take(&part, wanted) {
            break;
        }
    }
    Ok(http::judge_body(status, Some((wanted, &body))))
}

/// The same request as by HTTP/1.1 (RFC 9113 §8.3.1).
fn request(check: &HttpCheck, scheme: Scheme, host: &str) -> hyper::Request<()> {
    let mut request = http::request(check, host);
    request.headers_mut().remove(CONNECTION);
    let named = request.headers_mut().remove(HOST);
    let authority = named.and_then(|named| Authority::try_from(named.as_bytes()).ok());
    let mut uri = request.uri().clone().into_parts();
    uri.scheme = Some(scheme);
    uri.authority = authority.or_else(|| Authority::try_from(host).ok());
    if let Ok(uri) = Uri::from_parts(uri) {
        *request.uri_mut() = uri;
    }
    request
}

fn explain(error: &h2::Error) -> Verdict {
    Verdict::bad(if error.is_library() {
        format!("the answer is not HTTP/2: {error}")
    } else if error.is_io() {
        "the connection ended before a whole answer".to_owned()
    } else {
        format!("the request was given up: {error}")
    })
}
