//! The admin sockets of the daemons, as a person with curl would use them.

use crate::http::{Reader, Reply};
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// One daemon's admin socket.
#[derive(Clone, Debug)]
pub struct Admin {
    socket: PathBuf,
}

impl Admin {
    /// The socket at this path; it need not be there yet.
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET`s a path.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.exchange("GET", path)
    }

    /// `POST`s to a path, without a body.
    pub fn post(&self, path: &str) -> Result<Reply> {
        self.exchange("POST", path)
    }

    /// The value of one whole-numbered time series of `/metrics`, written as there: `name{label="value"}`.
    ///
    /// # Errors
    /// The daemon shows no such series; all that count from zero are there from the start.
    pub fn metric(&self, series: &str) -> Result<u64> {
        let text = self.get("/metrics")?.text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.with_context(|| format!("{} shows no {series}", self.socket.display()))?;
        value.parse().with_context(|| format!("the value of {series}: {value}"))
    }

    /// The sum of a metric's time series that carry `label`, written as `name="value"`.
    ///
    /// # Errors
    /// The daemon shows no such series.
    pub fn sum(&self, metric: &str, label: &str) -> Result<u64> {
        let text = self.get("/metrics")?.text();
        let series =
            text.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{')?.split_once("} "));
        let values: Vec<_> =
            series.filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).collect();
        ensure!(!values.is_empty(), "{} shows no {metric} with {label}", self.socket.display());
        values
            .iter()
            .map(|value| value.parse::<u64>().with_context(|| format!("a value of {metric}: {value}")))
            .sum()
    }

    fn exchange(&self, method: &str, path: &str) -> Result<Reply> {
        let stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("cannot connect to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Reader::new(stream)
            .exchange(method, "localhost", path, &[("Connection", "close")])
            .with_context(|| format!("{method} {path} at {}", self.socket.display()))
    }
}
