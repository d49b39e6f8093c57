//! What `explain` is asked about: a name as people write it, and who asks. Pure.

use crate::name::WireName;
use crate::question::{CLASS_IN, ClientEdns, Question};
use crate::reply::MAX_UDP;
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// How a subject is written.
pub(crate) const GRAMMAR: &str = "\
NAME [TYPE] [+do] [+cd] is asked as a client would ask it: TYPE is AAAA if it is left out,
+do asks for DNSSEC records, and +cd says that the client checks them itself.
--client says who asks, since clients may be answered differently; otherwise it is ::1.

  explain www.example.net
  explain www.example.net --client 2001:db8:6::10
  explain mail.example.net A +do";

/// What is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) question: Question,
    pub(crate) client: IpAddr,
}

/// Why a text is no subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubjectError {
    #[error("there is no name: write `explain NAME [TYPE]`, as in `explain www.example.net AAAA`")]
    NoName,
    #[error("{0} is no domain name: labels have 1 to 63 characters, the whole name at most 253")]
    Name(String),
    #[error("{0} is no type of records: AAAA, A, PTR, HTTPS and so on, or TYPE65 by its number")]
    Type(String),
    #[error("{0} stands behind the type: there is one name and one type")]
    More(String),
    #[error("{0} is no flag: +do and +cd are")]
    Flag(String),
    #[error("--client {0} is no address: write 2001:db8::1 or 192.0.2.1")]
    Client(String),
}

impl Subject {
    /// What `text` asks about.
    pub(crate) fn parse(text: &str) -> Result<Self, SubjectError> {
        let (mut name, mut qtype) = (None, None);
        let (mut dnssec_ok, mut checking_disabled) = (false, false);
        let mut client = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "--client" => {
                    let given = words.next().unwrap_or_default();
                    client = given.parse().map_err(|_| SubjectError::Client(given.to_owned()))?;
                }
                "+do" => dnssec_ok = true,
                "+cd" => checking_disabled = true,
                flag if flag.starts_with('+') => return Err(SubjectError::Flag(flag.to_owned())),
                own if name.is_none() => name = Some(read_name(own)?),
                own if qtype.is_none() => qtype = Some(read_type(own)?),
                more => return Err(SubjectError::More(more.to_owned())),
            }
        }
        let edns = ClientEdns { payload: MAX_UDP, version: 0, dnssec_ok, ..ClientEdns::default() };
        let question = Question {
            id: 0,
            name: name.ok_or(SubjectError::NoName)?,
            qtype: qtype.unwrap_or(RecordType::AAAA),
            qclass: CLASS_IN,
            recursion_desired: true,
            checking_disabled,
            authentic_data: false,
            edns: Some(edns),
        };
        Ok(Self { question, client })
    }
}

fn read_name(word: &str) -> Result<WireName, SubjectError> {
    let refuse = || SubjectError::Name(word.to_owned());
    let plain = word.strip_suffix('.').unwrap_or(word);
    if word == "." {
        return WireName::from_labels([]).map_err(|_| refuse());
    }
    let labels: Vec<&[u8]> = plain.split('.').map(str::as_bytes).collect();
    if labels.iter().any(|label| label.is_empty()) {
        return Err(refuse());
    }
    WireName::from_labels(labels).map_err(|_| refuse())
}

fn read_type(word: &str) -> Result<RecordType, SubjectError> {
    let refuse = || SubjectError::Type(word.to_owned());
    let upper = word.to_ascii_uppercase();
    if let Some(number) = upper.strip_prefix("TYPE") {
        return number.parse::<u16>().map(RecordType::from).map_err(|_| refuse());
    }
    RecordType::from_str(&upper).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_asks_for_aaaa_from_this_machine() {
        let subject = Subject::parse("www.Example.net.").unwrap();
        assert_eq!(subject.question.name.to_string(), "www.Example.net.");
        assert_eq!((subject.question.qtype, subject.client.to_string()), (RecordType::AAAA, "::1".into()));
        assert!(subject.question.recursion_desired && !subject.question.dnssec_ok());
    }

    #[test]
    fn type_flags_and_client_stand_in_any_order_behind_the_name() {
        let subject = Subject::parse("+cd . type65 --client 192.0.2.7 +do").unwrap();
        assert_eq!(subject.question.qtype, RecordType::HTTPS);
        assert!(subject.question.dnssec_ok() && subject.question.checking_disabled);
        assert_eq!(subject.client.to_string(), "192.0.2.7");
        assert_eq!(Subject::parse("a.example ptr").unwrap().question.qtype, RecordType::PTR);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_remedy() {
        let check = |text: &str, part: &str| {
            let error = Subject::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "there is no name");
        check("a..b", "a..b is no domain name");
        check(&"a".repeat(64), "is no domain name");
        check("a.example FOO", "FOO is no type of records");
        check("a.example TYPE99999", "TYPE99999 is no type");
        check("a.example A AAAA", "AAAA stands behind the type");
        check("a.example +dnssec", "+dnssec is no flag");
        check("a.example --client guest", "--client guest is no address");
        check("a.example --client", "--client  is no address");
    }
}
