//! The words for states and kinds wherever the daemon tells of them: as the file writes them.

use crate::pool::health::Status;
use config::model::{AdminState, Balance, CheckKind, Mode};

pub(crate) const fn admin(state: AdminState) -> &'static str {
    match state {
        AdminState::Ready => "ready",
        AdminState::Drain => "drain",
        AdminState::Maintenance => "maintenance",
    }
}

pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Unchecked => "unchecked",
        Status::Up => "up",
        Status::Down => "down",
    }
}

pub(crate) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcp => "tcp",
        Mode::Http => "http",
        Mode::Udp => "udp",
    }
}

pub(crate) const fn check(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Tcp => "tcp",
        CheckKind::Tls => "tls",
        CheckKind::Http => "http",
        CheckKind::Off => "off",
    }
}

pub(crate) const fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::Roundrobin => "roundrobin",
        Balance::Leastconn => "leastconn",
        Balance::Source => "source",
        Balance::Random => "random",
        Balance::Hash => "hash",
    }
}
