//! Address match lists: networks, names of lists and lists within lists, in which the first match decides.

use super::super::draft::Spot;
use super::super::networks::{ALL_V4, ALL_V6, Networks};
use super::statement::{Part, Statement};
use ipnet::{IpNet, Ipv4Net};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Elements of one list, those of the lists that it names included: each costs a comparison with every other one, and
/// lists that name lists double.
const MAX_ELEMENTS: usize = 4096;

/// An address match list.
#[derive(Clone, Debug, Default)]
pub(super) struct Acl {
    /// The networks, and whether they are let in; the first that holds an address decides.
    pub(super) rules: Vec<(IpNet, bool)>,
    /// Elements that no network stands for.
    pub(super) lost: Vec<(Spot, String)>,
}

impl Acl {
    /// Every address.
    pub(super) fn any() -> Self {
        Self { rules: vec![(ALL_V4, true), (ALL_V6, true)], lost: Vec::new() }
    }

    /// Whether those addresses of `net` are let in that no longer network of the list holds.
    pub(super) fn lets_in(&self, net: IpNet) -> bool {
        self.rules.iter().find(|(own, _)| own.contains(&net)).is_some_and(|(_, allow)| *allow)
    }

    /// The addresses that are let in.
    pub(super) fn networks(&self) -> Networks {
        Networks::first_match(self.rules.iter().copied())
    }
}

/// The `acl` statements of a file, which may be named before they stand.
#[derive(Default)]
pub(super) struct Acls<'a> {
    named: HashMap<String, &'a [Statement]>,
}

impl<'a> Acls<'a> {
    /// Takes one `acl` statement.
    pub(super) fn define(&mut self, statement: &'a Statement) -> Result<(), String> {
        let (name, block) = (statement.value()?, statement.need_block()?);
        if ["any", "none", "localhost", "localnets"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(statement.spot.says(format_args!("attempt to redefine builtin acl '{name}'")));
        }
        match self.named.insert(name.to_ascii_lowercase(), block) {
            None => Ok(()),
            Some(_) => Err(statement.spot.says(format_args!("acl '{name}' stands twice"))),
        }
    }

    /// The list in `block`.
    pub(super) fn read(&self, block: &[Statement]) -> Result<Acl, String> {
        self.resolve(block, &mut Walk::default())
    }

    /// Reads every list, also those that nothing names.
    pub(super) fn check(&self) -> Vec<String> {
        self.named
            .iter()
            .filter_map(|(name, block)| {
                self.resolve(block, &mut Walk { open: vec![name.clone()], elements: 0 }).err()
            })
            .collect()
    }

    fn resolve(&self, block: &[Statement], walk: &mut Walk) -> Result<Acl, String> {
        let mut acl = Acl::default();
        for element in block {
            let (allow, rest) = match element.parts.split_first() {
                Some((Part::Not, rest)) => (false, rest),
                _ => (true, element.parts.as_slice()),
            };
            let mut add = |nets: Networks| acl.rules.extend(nets.list().iter().map(|net| (*net, allow)));
            match rest {
                [Part::Block(nested)] => {
                    let nested = self.resolve(nested, walk)?;
                    add(nested.networks());
                    acl.lost.extend(nested.lost);
                }
                [Part::Word(word)] => match self.element(element, word, walk)? {
                    Element::Nets(nets) => add(nets),
                    Element::Partly(nets, why) => {
                        add(nets);
                        acl.lost.push((element.spot.clone(), why));
                    }
                    Element::Named(named) => {
                        add(named.networks());
                        acl.lost.extend(named.lost);
                    }
                },
                [Part::Word(kind), Part::Word(what), ..] if ["key", "geoip"].contains(&kind.as_str()) => {
                    let why =
                        format!("{kind} {what} is not honoured: only addresses tell clients apart here");
                    acl.lost.push((element.spot.clone(), why));
                }
                _ => return Err(element.spot.says("expected IP match list element")),
            }
            walk.elements += 1;
            if walk.elements.max(acl.rules.len()) > MAX_ELEMENTS {
                let message = format!("more than {MAX_ELEMENTS} elements in one address match list");
                return Err(element.spot.says(message));
            }
        }
        Ok(acl)
    }

    fn element(&self, at: &Statement, word: &str, walk: &mut Walk) -> Result<Element, String> {
        let name = word.to_ascii_lowercase();
        let only = |nets: &[IpNet]| Networks::first_match(nets.iter().map(|net| (*net, true)));
        match name.as_str() {
            "any" => return Ok(Element::Nets(Networks::all())),
            "none" => return Ok(Element::Nets(Networks::default())),
            "localhost" => {
                let why = "localhost stands for 127.0.0.0/8 and ::1 here: add the machine's own addresses";
                return Ok(Element::Partly(only(&loopback()), why.into()));
            }
            "localnets" => {
                let why = "localnets stands for 127.0.0.0/8 and ::1 here: write the other networks out";
                return Ok(Element::Partly(only(&loopback()), why.into()));
            }
            _ => {}
        }
        if let Some(block) = self.named.get(&name) {
            if walk.open.contains(&name) {
                return Err(at.spot.says(format_args!("acl loop detected: {word}")));
            }
            walk.open.push(name);
            let acl = self.resolve(block, walk);
            walk.open.pop();
            return acl.map(Element::Named);
        }
        match network(word) {
            Ok(net) => Ok(Element::Nets(only(&[net]))),
            Err(NotNetwork::Mismatch(len)) => {
                Err(at.spot.says(format_args!("'{word}': address/prefix length mismatch '{len}'")))
            }
            Err(NotNetwork::Length(len)) => Err(at.spot.says(format_args!("invalid prefix length '{len}'"))),
            Err(NotNetwork::Name) => Err(at.spot.says(format_args!("undefined ACL '{word}'"))),
        }
    }
}

/// The way to an element.
#[derive(Default)]
struct Walk {
    /// The names of the lists around it.
    open: Vec<String>,
    /// Elements seen so far.
    elements: usize,
}

/// What an element of a list stands for.
enum Element {
    Nets(Networks),
    /// Some of it, and what is missing.
    Partly(Networks, String),
    Named(Acl),
}

/// This machine, as it sees itself.
pub(super) fn loopback() -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [IpNet::V4(v4), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]
}

/// Why a word is no network.
pub(super) enum NotNetwork {
    /// It has bits beyond this length.
    Mismatch(u8),
    /// No such length.
    Length(String),
    /// It is no address at all.
    Name,
}

/// An address, or a network without host bits. IPv4 may leave out octets at its end, as in `10/8`.
pub(super) fn network(word: &str) -> Result<IpNet, NotNetwork> {
    let (text, len) = word.split_once('/').map_or((word, None), |(text, len)| (text, Some(len)));
    let addr = address(text, len.is_some()).ok_or(NotNetwork::Name)?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let len = match len {
        None => longest,
        Some(len) => len
            .parse()
            .ok()
            .filter(|bits: &u8| *bits <= longest && len.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| NotNetwork::Length(len.to_owned()))?,
    };
    let net = IpNet::new(addr, len).map_err(|_| NotNetwork::Length(len.to_string()))?;
    if net.addr() == net.network() { Ok(net) } else { Err(NotNetwork::Mismatch(len)) }
}

fn address(text: &str, may_be_short: bool) -> Option<IpAddr> {
    if let Ok(addr) = text.parse() {
        return Some(addr);
    }
    let octets: Vec<u8> = text.split('.').map(|octet| octet.parse().ok()).collect::<Option<_>>()?;
    let mut whole = [0; 4];
    whole.get_mut(..octets.len()).filter(|_| may_be_short)?.copy_from_slice(&octets);
    Some(IpAddr::V4(whole.into()))
}

#[cfg(test)]
mod tests {
    use super::super::statement::statements;
    use super::*;

    fn read(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let list = statements(text, "named.conf", &mut |_| Err("no files here".into()))?;
        let mut acls = Acls::default();
        let mut acl = Err("no list".to_owned());
        for statement in &list {
            if statement.name() == "acl" {
                acls.define(statement)?;
            }
        }
        for statement in list.iter().filter(|statement| statement.name() == "clients") {
            acl = acls.read(statement.need_block()?);
        }
        let acl = acl?;
        let nets = acl.networks().list().iter().map(ToString::to_string).collect();
        Ok((nets, acl.lost.iter().map(|(spot, why)| spot.says(why)).collect()))
    }

    #[test]
    fn lists_are_networks_and_the_first_match_decides() {
        let check = |text: &str, expect: &[&str]| assert_eq!(read(text).unwrap().0, expect, "{text}");
        check("clients { any; };", &["0.0.0.0/0", "::/0"]);
        check("clients { none; };", &[]);
        check("clients { !10.0.0.0/9; 10/8; 192.168/16; };", &["10.128.0.0/9", "192.168.0.0/16"]);
        check("clients { 192.0.2.1; 2001:db8::1; };", &["192.0.2.1/32", "2001:db8::1/128"]);
        check("clients { a; }; acl \"A\" { 10/8; };", &["10.0.0.0/8"]);
        check("clients { !{ 10/9; }; 10/8; };", &["10.128.0.0/9"]);
    }

    #[test]
    fn a_list_within_a_list_that_says_no_says_nothing() {
        let nested = "clients { { !10/9; 10/8; }; 10.0.0.0/16; };";
        assert_eq!(read(nested).unwrap().0, ["10.0.0.0/16", "10.128.0.0/9"]);
    }

    #[test]
    fn what_is_not_an_address_is_told() {
        let (nets, lost) = read("clients {\nlocalhost; localnets;\nkey admin; };").unwrap();
        assert_eq!(nets, ["127.0.0.0/8", "::1/128"]);
        assert_eq!(lost.len(), 3);
        assert!(lost[1].starts_with("named.conf:2: localnets stands for 127.0.0.0/8 and ::1"), "{lost:?}");
        assert!(lost[2].starts_with("named.conf:3: key admin is not honoured"), "{lost:?}");
    }

    #[test]
    fn errors_are_those_of_named_checkconf() {
        let check = |text: &str, expect: &str| {
            assert_eq!(read(text).unwrap_err(), format!("named.conf:1: {expect}"), "{text}");
        };
        check("clients { foo; };", "undefined ACL 'foo'");
        check("clients { 10.0.0.1/8; };", "'10.0.0.1/8': address/prefix length mismatch '8'");
        check("clients { 10.0.0.0/33; };", "invalid prefix length '33'");
        check("clients { 10.0.0.0/+8; };", "invalid prefix length '+8'");
        check("clients { 300.0.0.0/8; };", "undefined ACL '300.0.0.0/8'");
        check("acl a { b; }; acl b { a; }; clients { a; };", "acl loop detected: a");
        check("acl any { };", "attempt to redefine builtin acl 'any'");
        let doubling: Vec<_> = (0..40).map(|n| format!("acl a{n} {{ a{0}; a{0}; }};", n + 1)).collect();
        let text = format!("{} acl a40 {{ none; }}; clients {{ a0; }};", doubling.concat());
        check(&text, "more than 4096 elements in one address match list");
        check("clients { 10/8 20/8; };", "expected IP match list element");
    }
}
