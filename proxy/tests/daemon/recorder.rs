//! A member that notes every octet of the requests it gets, and one that answers with the octets it is sent.
//!
//! Both read requests as strictly as can be: what they cannot read ends the connection, and stays noted.

use crate::backend::{Backend, Seen, field};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Octets as text, one character each.
pub(crate) fn text(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// The reverse of [`text`].
pub(crate) fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).expect("one octet each")).collect()
}

/// Stands before the octets of a request that broke off or cannot be read. They may be noted long after.
pub(crate) const PART: &str = "part of: ";

/// Notes requests whole, head and body as they came, among its heads; see [`text`].
pub(crate) fn recorder() -> Backend {
    Backend::new("recorder", |seen, stream| {
        serve(seen, stream, |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
    })
}

/// Answers with the octets of each request's body, and then ends the connection if the path is `/end`.
pub(crate) fn puppet() -> Backend {
    Backend::new("puppet", |seen, stream| serve(seen, stream, |_, body| body.to_vec()))
}

fn serve(seen: &Seen, stream: TcpStream, answer: impl Fn(&str, &[u8]) -> Vec<u8>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader { stream: stream.try_clone()?, ahead: Vec::new(), at: 0 };
    let mut writer = stream;
    loop {
        let body = reader.message();
        let message = std::mem::take(&mut reader.ahead);
        let (whole, rest) = message.split_at(reader.at.min(message.len()));
        if body.is_ok() {
            seen.heads.lock().unwrap().push(text(whole));
        } else if !message.is_empty() {
            seen.heads.lock().unwrap().push(format!("{PART}{}", text(&message)));
        }
        let body = body?;
        let head = text(whole);
        reader.ahead = rest.to_vec();
        reader.at = 0;
        let mut answer = answer(&head, &body);
        if head.starts_with("HEAD ") {
            answer.truncate(
                answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4),
            );
        }
        writer.write_all(&answer)?;
        if head.split(' ').nth(1) == Some("/end") {
            return Ok(());
        }
    }
}

/// A reader of requests that keeps what it has read.
struct Reader {
    stream: TcpStream,
    ahead: Vec<u8>,
    /// Octets of `ahead` that were taken.
    at: usize,
}

impl Reader {
    /// Reads one request. Returns its content; its octets are ahead.
    fn message(&mut self) -> std::io::Result<Vec<u8>> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
            head.push_str("\r\n");
        }
        if field(&head, "transfer-encoding").is_some() {
            return self.chunks();
        }
        let length =
            field(&head, "content-length").map_or(Ok(0), str::parse).map_err(std::io::Error::other)?;
        self.take(length)
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).map_err(std::io::Error::other)?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(content);
            }
            content.extend(self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
        }
    }

    fn take(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        while self.ahead.len() - self.at < count {
            self.more()?;
        }
        self.at += count;
        Ok(self.ahead[self.at - count..self.at].to_vec())
    }

    fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.ahead[self.at..].windows(2).position(|end| end == b"\r\n") {
                let line = text(&self.take(end)?);
                self.at += 2;
                return Ok(line);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> std::io::Result<()> {
        let mut part = [0; 4096];
        let count = self.stream.read(&mut part)?;
        self.ahead.extend_from_slice(&part[..count]);
        if count == 0 { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
