//! `proxy.listener.bind`: addresses, unix sockets and inherited ones, and which of them two listeners cannot share.

use super::super::{Placed, Read, Value, all, not_empty};
use crate::model::{Endpoint, Mode, SocketMode};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What the address of a unix socket holds, without the closing zero (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;
/// What systemd takes for `FileDescriptorName=`.
const FD_NAME_LENGTH: RangeInclusive<usize> = 1..=255;

const EXPECTED: &str = "an address with a port or a range of ports, such as \"[2001:db8::80]:80\" or \
                        \"192.0.2.11:8000-8010\", \"unix:/run/web.sock\" or \"fd:web\"";

/// The elements of `bind`.
pub(super) fn read<'a>(value: &Value<'a>) -> Read<Vec<Placed<'a, Endpoint>>> {
    let list = all(value.elements()?.map(|element| Ok(element.at.with(endpoint(&element)?))))?;
    not_empty(&value.at, list, "address with its port")
}

fn endpoint(value: &Value<'_>) -> Read<Endpoint> {
    let text = value.text(EXPECTED)?;
    if let Some(path) = text.strip_prefix("unix:") {
        return socket_path(value, path, EXPECTED).map(Endpoint::Unix);
    }
    if let Some(name) = text.strip_prefix("fd:") {
        return inherited(value, name);
    }
    address(value, text)
}

/// The absolute path of a unix socket; `expected` says what the whole value should have been.
pub(super) fn socket_path(value: &Value<'_>, path: &str, expected: &str) -> Read<PathBuf> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(
            value.mismatch_but(expected, "begin the path with '/': a daemon has no directory of its own")
        );
    }
    if path.len() > LONGEST_SOCKET_PATH {
        let length = path.len();
        return Err(value.at.refuse(
            format!(
                "the path of a unix socket has at most {LONGEST_SOCKET_PATH} bytes, this one has {length}"
            ),
            "choose a shorter path",
        ));
    }
    Ok(PathBuf::from(path))
}

/// `proxy.listener.socket_mode`.
pub(super) fn socket_mode(value: &Value<'_>) -> Read<SocketMode> {
    let expected = "permissions as three or four octal digits in quotes, such as \"0660\"";
    let text = value.text(expected)?;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    match u16::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(SocketMode(mode)),
        Ok(_) | Err(_) => Err(value.mismatch(expected)),
    }
}

fn inherited(value: &Value<'_>, name: &str) -> Read<Endpoint> {
    let legal = |b: u8| b.is_ascii_graphic() && b != b':';
    if FD_NAME_LENGTH.contains(&name.len()) && name.bytes().all(legal) {
        return Ok(Endpoint::Inherited(name.to_owned()));
    }
    Err(value
        .mismatch_but(EXPECTED, "behind \"fd:\" stands the FileDescriptorName= of a systemd socket unit"))
}

fn address(value: &Value<'_>, text: &str) -> Read<Endpoint> {
    let (host, ports) = text.rsplit_once(':').unwrap_or((text, ""));
    if matches!(host, "" | "*") {
        let help = format!(
            "write \"[::]:{ports}\" for every IPv6 address, \"0.0.0.0:{ports}\" for every IPv4 address"
        );
        return Err(value.mismatch_but(EXPECTED, help));
    }
    if let (Ok(v6), Ok(port)) = (host.parse::<Ipv6Addr>(), ports.parse::<u16>()) {
        let help =
            format!("write \"{}\", since {text} is an address as a whole", SocketAddr::from((v6, port)));
        return Err(value.mismatch_but(EXPECTED, help));
    }
    let Some((first, last)) = ports.split_once('-') else {
        return Ok(Endpoint::from(known_port(value, value.socket_in(text, None, EXPECTED)?)?));
    };
    let first = known_port(value, value.socket_in(&format!("{host}:{first}"), None, EXPECTED)?)?;
    match last.parse::<u16>() {
        Ok(last_port) if first.port() <= last_port => Ok(Endpoint::Address { first, last_port }),
        Ok(last_port) => {
            let help = format!("write \"{host}:{last_port}-{}\"", first.port());
            Err(value.at.refuse(format!("the range {ports} has its greater port in front"), help))
        }
        Err(_) => Err(value.mismatch_but(EXPECTED, "ports are numbers from 1 to 65535")),
    }
}

/// Port 0 is a port that the system chooses: another one for every worker, and none that a client could know.
fn known_port(value: &Value<'_>, address: SocketAddr) -> Read<SocketAddr> {
    if address.port() == 0 {
        return Err(value
            .at
            .refuse("a listener needs a port that clients can know", "give a port from 1 to 65535"));
    }
    Ok(address)
}

/// What listeners must not share with each other.
pub(super) struct Claim {
    pub(super) endpoint: Endpoint,
    pub(super) mode: Mode,
    pub(super) v6only: bool,
    pub(super) listener: String,
}

impl Claim {
    /// Whether the system would refuse one of the two, or hand out connections between them at random.
    fn meets(&self, other: &Self) -> bool {
        match (&self.endpoint, &other.endpoint) {
            (
                Endpoint::Address { first: a, last_port: a_last },
                Endpoint::Address { first: b, last_port: b_last },
            ) => {
                (self.mode == Mode::Udp) == (other.mode == Mode::Udp)
                    && a.port() <= *b_last
                    && b.port() <= *a_last
                    && self.hosts(*a).any(|a| other.hosts(*b).any(|b| a == b))
            }
            (one, another) => one == another,
        }
    }

    /// The addresses that a socket at `address` takes, its port aside.
    fn hosts(&self, address: SocketAddr) -> impl Iterator<Item = SocketAddr> + use<> {
        let mut own = addr::fold_mapped_socket(address);
        own.set_port(0);
        let both = !self.v6only && own.is_ipv6() && own.ip().is_unspecified();
        let v4 = both.then_some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        std::iter::once(own).chain(v4)
    }
}

/// Refuses every endpoint that meets one before it.
pub(super) fn distinct(claims: &[Placed<'_, Claim>]) -> Read<()> {
    let mut outcome = Ok(());
    for (index, claim) in claims.iter().enumerate() {
        let Some(first) = claims[..index].iter().find(|first| first.value.meets(&claim.value)) else {
            continue;
        };
        let message = format!(
            "listener {:?} binds {}, which listener {:?} has at {}",
            claim.value.listener,
            claim.value.endpoint,
            first.value.listener,
            first.at.place()
        );
        outcome = Err(claim.at.refuse(message, "give one of the two another address or port"));
    }
    outcome
}
