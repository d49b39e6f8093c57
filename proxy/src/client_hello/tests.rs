//! Hellos of rustls, hellos made by hand, and what holds of all octets. rustls is the second opinion on both sides.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// What a client of rustls says first.
fn of_rustls(name: &str, alpn: &[Vec<u8>]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.to_vec();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// What rustls reads: the name, or why not.
fn read_by_rustls(bytes: &[u8]) -> Result<Option<String>, String> {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).map_err(|error| error.to_string())?;
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted.client_hello().server_name().map(str::to_owned)),
            Ok(None) => {}
            Err((error, _)) => return Err(error.to_string()),
        }
    }
    Err("not whole".to_owned())
}

/// `content` with a length of `width` octets before it.
fn sized(width: usize, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[4 - width..], content].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &sized(2, data)].concat()
}

/// The extension that names these, each with its kind.
fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> = names.iter().map(|(kind, name)| [&[*kind][..], &sized(2, name)].concat()).collect();
    extension(0, &sized(2, &entries.concat()))
}

/// The fields of a `ClientHello` before its extensions.
fn fields() -> Vec<u8> {
    [&[3, 3][..], &[7; 32], &sized(1, &[]), &sized(2, &[0x13, 1]), &sized(1, &[0])].concat()
}

fn message(extensions: &[u8]) -> Vec<u8> {
    [&[1][..], &sized(3, &[fields(), sized(2, extensions)].concat())].concat()
}

fn in_records(message: &[u8], each: usize) -> Vec<u8> {
    let records = message.chunks(each).map(|fragment| [&[22, 3, 1][..], &sized(2, fragment)].concat());
    records.collect::<Vec<_>>().concat()
}

fn in_one(message: &[u8]) -> Vec<u8> {
    in_records(message, RECORD_LIMIT)
}

fn name_of(bytes: &[u8]) -> Result<Option<String>, Reason> {
    match parse(bytes) {
        Ok(Progress::Hello(hello)) => Ok(hello.server_name),
        Ok(other) => panic!("{other:?}"),
        Err(malformed) => Err(malformed.reason),
    }
}

#[test]
fn a_clients_name_and_protocols_are_read() {
    let alpn = [b"h2".to_vec(), b"http/1.1".to_vec()];
    let expect = ClientHello { server_name: Some("a.example".to_owned()), alpn: alpn.to_vec() };
    assert_eq!(parse(&of_rustls("a.example", &alpn)), Ok(Progress::Hello(expect)));
}

#[test]
fn a_client_that_names_nobody_is_told_from_one_that_is_no_tls() {
    assert_eq!(name_of(&of_rustls("192.0.2.1", &[])), Ok(None));
    assert_eq!(name_of(&in_one(&message(&[]))), Ok(None));
    let before_extensions = [&[1][..], &sized(3, &fields())].concat();
    assert_eq!(name_of(&in_one(&before_extensions)), Ok(None));
    assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Ok(Progress::NotTls));
    assert_eq!(parse(b"SSH-2.0-"), Ok(Progress::NotTls));
    // The hello of SSL 2.0, other versions of the record.
    for start in [&[0x80, 0x2e, 1, 3, 1][..], &[22, 2], &[22, 3, 5], &[23, 3, 3]] {
        assert_eq!(parse(start), Ok(Progress::NotTls), "{start:?}");
    }
    for start in [&[][..], &[22], &[22, 3], &[22, 3, 1], &[22, 3, 3, 0, 5, 1]] {
        assert_eq!(parse(start), Ok(Progress::More), "{start:?}");
    }
}

#[test]
fn names_are_read_as_they_are_compared() {
    let check = |name: &str, expect: Result<Option<&str>, Reason>| {
        let expect = expect.map(|name| name.map(str::to_owned));
        assert_eq!(name_of(&in_one(&message(&names(&[(0, name.as_bytes())])))), expect, "{name}");
    };
    check("A.Example", Ok(Some("a.example")));
    check("a.example.", Ok(Some("a.example")));
    check("_a-1.example", Ok(Some("_a-1.example")));
    check("localhost", Ok(Some("localhost")));
    check("192.0.2.1", Ok(None));
    check("2001:db8::1", Ok(None));
    for name in
        ["", ".", "a..example", ".example", "a b", "*.example", "a.example\0", "\u{e4}.example", "a/b"]
    {
        check(name, Err(Reason::Name));
    }
    check(&"a".repeat(63), Ok(Some(&"a".repeat(63))));
    check(&"a".repeat(64), Err(Reason::Name));
    let longest = [["a".repeat(63).as_str(); 3].join("."), "a".repeat(61)].join(".");
    check(&longest, Ok(Some(&longest)));
    check(&format!("{longest}a"), Err(Reason::Name));
}

#[test]
fn broken_hellos_are_refused() {
    let check = |extensions: &[u8], reason: Reason| {
        assert_eq!(name_of(&in_one(&message(extensions))), Err(reason), "{extensions:?}");
    };
    check(&[names(&[(0, b"a")]), names(&[(0, b"b")])].concat(), Reason::Twice);
    check(&names(&[(0, b"a"), (0, b"b")]), Reason::Twice);
    check(&names(&[]), Reason::Fields);
    check(&extension(0, &[]), Reason::Fields);
    check(&extension(0, &[sized(2, &[0, 0, 1, b'a']), vec![0]].concat()), Reason::Fields);
    check(&extension(0, &sized(2, &[0, 0, 2, b'a'])), Reason::Fields);
    check(&extension(16, &sized(2, &[0])), Reason::Fields);
    check(
        &[extension(16, &sized(2, &[1, b'a'])), extension(16, &sized(2, &[1, b'a']))].concat(),
        Reason::Twice,
    );
    check(&[0, 0, 0], Reason::Fields);
    let behind = [&[1][..], &sized(3, &[fields(), sized(2, &[]), vec![0]].concat())].concat();
    assert_eq!(name_of(&in_one(&behind)), Err(Reason::Fields));
    assert_eq!(name_of(&in_one(&[&[1][..], &sized(3, &fields()[..20])].concat())), Err(Reason::Fields));
    assert_eq!(name_of(&in_one(&[2, 0, 0, 0])), Err(Reason::Message));
    assert_eq!(name_of(&[22, 3, 1, 0, 0]), Err(Reason::Record));
    assert_eq!(name_of(&[22, 3, 1, 0x40, 1]), Err(Reason::Record));
    assert_eq!(name_of(&[22, 3, 1, 0, 1, 1, 21, 3, 3, 0, 2, 1, 0]), Err(Reason::Interrupted));
}

#[test]
fn a_name_of_an_unknown_kind_is_passed_over() {
    let both = names(&[(1, b"?"), (0, b"a.example")]);
    assert_eq!(name_of(&in_one(&message(&both))), Ok(Some("a.example".to_owned())));
    assert_eq!(name_of(&in_one(&message(&names(&[(1, b"?")])))), Ok(None));
}

#[test]
fn a_hello_is_bounded() {
    // The header alone announces too much.
    assert_eq!(name_of(&[22, 3, 1, 0x40, 0, 1, 0, 0x40, 0]), Err(Reason::TooLong));
    let filled =
        |octets: usize| message(&[names(&[(0, b"a.example")]), extension(21, &vec![0; octets])].concat());
    let fits = filled(LONGEST - 100);
    assert_eq!(name_of(&in_one(&fits)), Ok(Some("a.example".to_owned())));
    assert_eq!(name_of(&in_one(&filled(LONGEST))), Err(Reason::TooLong));
    // The same message with too many record headers.
    assert_eq!(name_of(&in_records(&fits, 1)), Err(Reason::TooLong));
}

#[test]
fn what_follows_the_hello_is_not_read() {
    let mut bytes = of_rustls("a.example", &[]);
    bytes.extend([0xff; 40]);
    assert_eq!(name_of(&bytes), Ok(Some("a.example".to_owned())));
}

fn host() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,10}[a-z0-9](\\.[a-z][a-z0-9]{1,10}){0,4}"
}

/// Hellos with some octets changed.
fn near_hello() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let extra = vec((any::<u16>(), vec(any::<u8>(), 0..20)), 0..3);
    (host(), extra, 1..200_usize, changes).prop_map(|(name, extra, each, changes)| {
        let extra = extra.iter().map(|(kind, data)| extension(*kind | 0x4000, data));
        let all: Vec<_> = extra.chain([names(&[(0, name.as_bytes())])]).collect();
        let mut bytes = in_records(&message(&all.concat()), each);
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn records_may_cut_the_hello_anywhere(name in host(), each in 1..300_usize) {
        let message = of_rustls(&name, &[])[5..].to_vec();
        prop_assert_eq!(name_of(&in_records(&message, each)), Ok(Some(name)));
    }

    #[test]
    fn every_prefix_asks_for_more_or_gives_the_verdict_of_the_whole(bytes in near_hello()) {
        let whole = parse(&bytes);
        for end in 0..=bytes.len() {
            let progress = parse(&bytes[..end]);
            prop_assert!(progress == whole || progress == Ok(Progress::More), "{} octets", end);
        }
    }

    #[test]
    fn another_reader_sees_no_other_name(bytes in near_hello()) {
        if let (Ok(Progress::Hello(hello)), Ok(name)) = (parse(&bytes), read_by_rustls(&bytes)) {
            prop_assert_eq!(hello.server_name, name.map(|name| name.to_ascii_lowercase()));
        }
    }

    #[test]
    fn random_octets_are_judged(bytes in vec(any::<u8>(), 0..300), is_tls in any::<bool>()) {
        let start: &[u8] = if is_tls { &[22, 3, 1, 1, 0, 1, 0, 0, 200] } else { &[] };
        let all = [start, &bytes].concat();
        if is_tls {
            prop_assert_ne!(parse(&all), Ok(Progress::NotTls));
        }
    }
}
