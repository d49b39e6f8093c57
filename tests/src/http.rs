//! HTTP/1.1 exchanges over any stream: enough for the lab's probes, its web servers and the admin sockets.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::{Read, Write};

/// Header fields that a message of the lab may have at most.
const MAX_FIELDS: usize = 64;

/// Bytes of a message head at most.
const MAX_HEAD: usize = 64 << 10;

/// The head of a message in one direction and the bytes that came behind it.
pub struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields as they came.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a client asked for, without a body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// Header fields as they came.
    pub fields: Vec<(String, String)>,
}

impl Reply {
    /// The values of a field, whose name is compared without case.
    pub fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        values(&self.fields, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Request {
    /// The values of a field, whose name is compared without case.
    pub fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        values(&self.fields, name)
    }
}

fn values<'a>(fields: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl<S: Read + Write> Reader<S> {
    /// Reads and writes messages on `stream`, whose timeouts are the caller's.
    pub const fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The stream.
    pub const fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Sends one request without a body and reads the whole answer; the connection stays usable if the server
    /// keeps it.
    pub fn exchange(
        &mut self,
        method: &str,
        host: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Result<Reply> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        // What may have a body says that it has none (RFC 9110 §8.6).
        let none = if method == "POST" { Some(&("Content-Length", "0")) } else { None };
        for (name, value) in none.into_iter().chain(fields) {
            write!(head, "{name}: {value}\r\n")?;
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).context("sending the request")?;
        let Some(end) = self.head()? else { bail!("the connection closed before an answer") };
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut slots);
        parsed.parse(&self.buffer[..end])?;
        let status = parsed.code.context("an answer without a status")?;
        let fields = owned(parsed.headers);
        self.buffer.drain(..end);
        let body = self.body(status, &fields)?;
        Ok(Reply { status, fields, body })
    }

    /// Reads one request; `None` when the client has closed.
    pub fn request(&mut self) -> Result<Option<Request>> {
        let Some(end) = self.head()? else { return Ok(None) };
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut slots);
        parsed.parse(&self.buffer[..end])?;
        let method = parsed.method.context("a request without a method")?.to_owned();
        let target = parsed.path.context("a request without a target")?.to_owned();
        let fields = owned(parsed.headers);
        self.buffer.drain(..end);
        Ok(Some(Request { method, target, fields }))
    }

    /// Reads until a head is complete and returns its length.
    fn head(&mut self) -> Result<Option<usize>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                return Ok(Some(end + 4));
            }
            if self.buffer.len() > MAX_HEAD {
                bail!("a message head of more than {MAX_HEAD} bytes");
            }
            if self.fill()? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("the connection closed within a message head");
            }
        }
    }

    fn body(&mut self, status: u16, fields: &[(String, String)]) -> Result<Vec<u8>> {
        if let Some(coding) = values(fields, "transfer-encoding").next() {
            bail!("an answer in the transfer coding {coding}, which the lab does not read");
        }
        if matches!(status, 100..=199 | 204 | 304) {
            return Ok(Vec::new());
        }
        if let Some(length) = values(fields, "content-length").next() {
            return self.exactly(length.parse().context("content-length")?);
        }
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                bail!("the connection closed after {} of {length} bytes", self.buffer.len());
            }
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn fill(&mut self) -> Result<usize> {
        let mut chunk = vec![0; 64 << 10];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }
}

fn owned(fields: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |field: &httparse::Header<'_>| {
        (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned())
    };
    fields.iter().map(text).collect()
}
