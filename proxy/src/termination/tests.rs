use super::*;
use crate::snapshot::tests::{listener, model};
use config::model::Mode;
use rcgen::{CertificateParams, KeyPair};
use std::fs;

fn write(file: &Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    fs::write(file, pem).unwrap();
}

/// A listener that asks clients for certificates, which come from the same files as its own.
fn section(dir: &Path) -> Proxy {
    let (bundle, authorities) = (dir.join("web.pem"), dir.join("ca.pem"));
    let tls = Tls {
        certificates: vec![bundle],
        alpn: Vec::new(),
        client_ca: Some(authorities),
        client_auth: ClientAuth::Required,
        min_version: TlsVersion::V1_2,
    };
    let web = listener("web", "[2001:db8::80]:443", Mode::Tcp, "web");
    model(
        vec![listener("plain", "[2001:db8::80]:80", Mode::Tcp, "web"), Listener { tls: Some(tls), ..web }],
        &["web"],
    )
}

#[test]
fn what_the_files_say_again_is_kept_with_its_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let mut section = section(dir.path());
    write(&dir.path().join("web.pem"));
    write(&dir.path().join("ca.pem"));
    let one = load(&section, None).unwrap();
    let is_kept = |section: &Proxy| Arc::ptr_eq(&load(section, Some(&one)).unwrap()["web"], &one["web"]);
    assert!(is_kept(&section) && changed(&section, &one).is_empty());
    section.listener[0].name = "other".to_owned();
    assert!(is_kept(&section), "another listener changed");
    write(&dir.path().join("ca.pem"));
    assert!(!is_kept(&section));
    assert_eq!(changed(&section, &one), ["proxy.listener \"web\": client_ca names other authorities"]);
    write(&dir.path().join("web.pem"));
    assert_eq!(changed(&section, &one).len(), 2);
    let two = load(&section, Some(&one)).unwrap();
    section.listener[1].tls.as_mut().unwrap().client_auth = ClientAuth::Optional;
    assert!(!Arc::ptr_eq(&load(&section, Some(&two)).unwrap()["web"], &two["web"]));
}

#[test]
fn a_file_that_cannot_be_used_is_refused_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let section = section(dir.path());
    let places = || refusals(&section).into_iter().map(|refusal| refusal.path).collect::<Vec<_>>();
    assert_eq!(places(), ["proxy.listener[1].tls.certificates[0]", "proxy.listener[1].tls.client_ca"]);
    write(&dir.path().join("web.pem"));
    assert_eq!(places(), ["proxy.listener[1].tls.client_ca"]);
    let error = load(&section, None).unwrap_err();
    assert!(matches!(error, Error::Tls { source: TerminationError::Authorities { .. }, .. }), "{error:?}");
    write(&dir.path().join("ca.pem"));
    assert!(places().is_empty() && load(&section, None).is_ok());
}
