//! The sockets that the service manager opened before the daemon began, kept for as long as it runs: a listener that
//! a change takes away can have them again with the next one, and what comes meanwhile waits in them.

use super::socket::Listening;
use crate::error::Error;
use socket2::{Domain, Socket, Type};
use std::os::fd::OwnedFd;

/// Everything that was handed over.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<Named>);

/// What came under one name.
#[derive(Debug)]
struct Named {
    name: String,
    sockets: Vec<Listening>,
    /// Why one of them cannot be listened on.
    unfit: Option<String>,
}

impl Inherited {
    /// Takes what this process was started with.
    pub(crate) fn take() -> Result<Self, Error> {
        Ok(Self::new(service::inherited().map_err(Error::Inherited)?))
    }

    fn new(handed: Vec<(String, OwnedFd)>) -> Self {
        let mut all: Vec<Named> = Vec::new();
        for (name, descriptor) in handed {
            let known = all.iter().position(|named| named.name == name);
            let place = known.unwrap_or_else(|| {
                all.push(Named { name, sockets: Vec::new(), unfit: None });
                all.len() - 1
            });
            match fit(descriptor) {
                Ok(socket) => all[place].sockets.push(socket),
                Err(reason) => all[place].unfit = Some(reason),
            }
        }
        Self(all)
    }

    /// How many sockets there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|named| named.sockets.len()).sum()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|named| named.name.as_str())
    }

    /// The sockets of one name, or what is wrong with them and what to do about it.
    pub(super) fn named(&self, name: &str) -> Result<&[Listening], (String, String)> {
        let Some(found) = self.0.iter().find(|named| named.name == name) else {
            let names: Vec<_> = self.names().collect();
            let handed = if names.is_empty() {
                "none was handed over".to_owned()
            } else {
                format!("handed over were {}", names.join(", "))
            };
            let remedy = format!("start it by a socket unit with FileDescriptorName={name}; {handed}");
            return Err(("systemd hands over no socket of this name".to_owned(), remedy));
        };
        match &found.unfit {
            None => Ok(&found.sockets),
            Some(reason) => {
                Err((reason.clone(), "set ListenStream= and Accept=no in its socket unit".to_owned()))
            }
        }
    }
}

/// The descriptor as a socket that can be accepted from.
fn fit(descriptor: OwnedFd) -> Result<Listening, String> {
    let socket = Socket::from(descriptor);
    let look = || Ok((socket.r#type()?, socket.is_listener()?, socket.domain()?));
    let (kind, listens, domain) =
        look().map_err(|error: std::io::Error| format!("it is no socket: {error}"))?;
    if kind != Type::STREAM || !listens {
        return Err("it is not a stream socket that listens".to_owned());
    }
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    match domain {
        Domain::IPV4 | Domain::IPV6 => Ok(Listening::Tcp(socket.into())),
        Domain::UNIX => Ok(Listening::Unix(socket.into())),
        _ => Err("it is neither of IP nor a Unix socket".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    fn refusal(handed: Vec<(String, OwnedFd)>, name: &str) -> String {
        let inherited = Inherited::new(handed);
        let (cause, remedy) = inherited.named(name).expect_err("it cannot be used");
        format!("{cause}; {remedy}")
    }

    fn listening() -> OwnedFd {
        TcpListener::bind("127.83.0.1:0").unwrap().into()
    }

    #[test]
    fn sockets_are_found_by_name_and_may_share_one() {
        let handed = vec![
            ("web".to_owned(), listening()),
            ("x".to_owned(), listening()),
            ("web".to_owned(), listening()),
        ];
        let inherited = Inherited::new(handed);
        assert_eq!(inherited.named("web").unwrap().len(), 2);
        assert_eq!(inherited.named("x").unwrap().len(), 1);
        assert_eq!((inherited.count(), inherited.names().collect::<Vec<_>>()), (3, vec!["web", "x"]));
    }

    #[test]
    fn a_name_that_is_missing_is_refused_with_those_that_are_there() {
        assert!(refusal(vec![], "web").contains("FileDescriptorName=web; none was"));
        assert!(refusal(vec![("x".to_owned(), listening())], "web").ends_with("handed over were x"));
    }

    #[test]
    fn what_cannot_be_accepted_from_is_refused() {
        let datagrams = UdpSocket::bind("127.83.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let handed = vec![
            ("datagrams".to_owned(), OwnedFd::from(datagrams)),
            ("file".to_owned(), OwnedFd::from(file)),
        ];
        assert!(refusal(handed, "datagrams").contains("not a stream socket that listens"));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(refusal(vec![("file".to_owned(), file.into())], "file").contains("no socket"));
    }
}
