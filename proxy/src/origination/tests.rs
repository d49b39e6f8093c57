use super::*;
use crate::snapshot::tests::model;
use rcgen::{CertificateParams, KeyPair};
use std::fs;

fn write(file: &Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    fs::write(file, params.self_signed(&key).unwrap().pem() + &key.serialize_pem()).unwrap();
}

/// Two pools, of which the second speaks TLS with files of this folder.
fn section(dir: &Path) -> Proxy {
    let mut section = model(Vec::new(), &["plain", "web"]);
    section.pool[1].tls = Some(PoolTls {
        server_name: None,
        ca: Some(dir.join("ca.pem")),
        verify: true,
        certificate: Some(dir.join("own.pem")),
    });
    section
}

#[test]
fn what_the_files_say_again_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let section = section(dir.path());
    write(&dir.path().join("ca.pem"));
    write(&dir.path().join("own.pem"));
    let one = load(&section, None).unwrap();
    assert_eq!(one.keys().collect::<Vec<_>>(), ["web"]);
    let is_kept = |section: &Proxy| Arc::ptr_eq(&load(section, Some(&one)).unwrap()["web"], &one["web"]);
    assert!(is_kept(&section) && changed(&section, &one).is_empty());
    let mut named = section.clone();
    named.pool[1].tls.as_mut().unwrap().server_name = Some("web.example".parse().unwrap());
    assert!(!is_kept(&named));
    write(&dir.path().join("own.pem"));
    assert!(!is_kept(&section));
    write(&dir.path().join("ca.pem"));
    let lines = changed(&section, &one);
    assert_eq!(lines[0], "proxy.pool \"web\": other authorities are trusted");
    assert!(lines[1].ends_with("own.pem has another certificate"), "{lines:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut section = section(dir.path());
    let places =
        |section: &Proxy| refusals(section).into_iter().map(|refusal| refusal.path).collect::<Vec<_>>();
    assert_eq!(places(&section), ["proxy.pool[1].tls.certificate", "proxy.pool[1].tls.ca"]);
    write(&dir.path().join("own.pem"));
    assert_eq!(places(&section), ["proxy.pool[1].tls.ca"]);
    let error = load(&section, None).unwrap_err();
    assert!(matches!(error, Error::MemberTls { .. }), "{error:?}");
    section.pool[1].tls.as_mut().unwrap().verify = false;
    assert!(places(&section).is_empty(), "nobody is verified");
    write(&dir.path().join("ca.pem"));
    section.pool[1].tls.as_mut().unwrap().verify = true;
    assert!(places(&section).is_empty() && load(&section, None).is_ok());
}

#[test]
fn a_name_is_asked_for_and_an_address_is_only_verified() {
    let address: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    let asked = |name: Option<&Domain>| Secured::unverified(name, address).unwrap().name;
    let named = asked(Some(&"web.example".parse().unwrap()));
    assert!(matches!(named, ServerName::DnsName(_)), "{named:?}");
    assert_eq!(asked(None).to_str(), "192.0.2.1");
}

#[test]
fn a_name_of_no_host_is_refused_at_its_place() {
    let mut section = model(Vec::new(), &["web"]);
    let name: Domain = "web.1".parse().unwrap();
    section.pool[0].tls =
        Some(PoolTls { server_name: Some(name.clone()), ca: None, verify: false, certificate: None });
    assert!(matches!(load(&section, None), Err(Error::MemberTls { .. })));
    let refusals = refusals(&section);
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].path, "proxy.pool[0].tls.server_name");
    assert_eq!(refusals[0].message, "web.1 is not the name of a host");
    let check = Secured::unverified(Some(&name), "192.0.2.1".parse().unwrap());
    assert_eq!(check.unwrap_err().to_string(), "web.1 is not the name of a host");
}

#[test]
fn the_file_takes_the_names_that_can_be_asked_for() {
    let labels = ["", "a", "1", "-", "_", "a1", "1a", "a-", "-a", "1-", "-1", "a-1", "1-1", "--", "A", "a/b"];
    let pairs = labels.iter().flat_map(|one| labels.iter().map(move |other| format!("{one}.{other}")));
    let others = ["web", "1", "web-", "192.0.2.1", "192.0.2.256", "192.0.2.1.a"].map(str::to_owned);
    for name in pairs.chain(others) {
        let file = format!("[[proxy.pool]]\nname = \"web\"\ntls = {{ server_name = {name:?} }}\n");
        // A dot at the end names the root, which no certificate does.
        let askable = ServerName::try_from(name.as_str()).is_ok() && !name.ends_with('.');
        assert_eq!(config::parse(&file, "gateway.toml").is_ok(), askable, "{name}");
    }
}

#[test]
fn a_certificate_for_members_that_has_ended_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let section = section(dir.path());
    let file = dir.path().join("own.pem");
    write(&file);
    assert_eq!(warnings(&section), [""; 0]);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    fs::write(&file, params.self_signed(&key).unwrap().pem() + &key.serialize_pem()).unwrap();
    let warnings = warnings(&section);
    assert!(warnings.len() == 1 && warnings[0].contains("own.pem"), "{warnings:?}");
}
