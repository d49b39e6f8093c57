use super::*;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::SignatureScheme;

/// A certificate for `names` and its key, as PEM.
fn pem(names: &[&str]) -> (String, String) {
    pem_until(names, 2090)
}

fn pem_until(names: &[&str], last_year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A bundle for `names`.
pub(crate) fn bundle(names: &[&str]) -> Bundle {
    let (certificate, key) = pem(names);
    parse(&[&certificate, &key]).unwrap()
}

pub(crate) fn rsa_schemes() -> Vec<SignatureScheme> {
    vec![SignatureScheme::RSA_PSS_SHA256]
}

fn parse(parts: &[&str]) -> Result<Bundle, BundleError> {
    Bundle::parse(Path::new("dns.pem"), parts.concat().as_bytes())
}

#[test]
fn a_bundle_is_read_with_its_names_addresses_and_times() {
    let (certificate, key) = pem(&["DNS.example", "*.lab.example", "2001:db8::53", "192.0.2.53"]);
    for parts in [[&certificate, &key], [&key, &certificate]] {
        let bundle = parse(&parts.map(String::as_str)).unwrap();
        assert_eq!(bundle.names, ["dns.example", "*.lab.example"]);
        let addresses: Vec<IpAddr> = ["2001:db8::53", "192.0.2.53"].map(|text| text.parse().unwrap()).into();
        assert_eq!(bundle.addresses, addresses);
        assert!(bundle.subject.starts_with("CN="), "{}", bundle.subject);
        assert_eq!(bundle.not_before, UNIX_EPOCH + Duration::from_secs(1_577_836_800));
        assert_eq!(bundle.not_after, UNIX_EPOCH + Duration::from_secs(3_786_912_000));
    }
}

#[test]
fn a_chain_keeps_its_order() {
    let (root_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = CertificateParams::new(vec!["root.example".to_owned()]).unwrap();
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(root, root_key);
    let leaf = CertificateParams::new(vec!["dns.example".to_owned()]).unwrap();
    let leaf_pem = leaf.signed_by(&leaf_key, &issuer).unwrap().pem();
    let leaf_key = leaf_key.serialize_pem();
    let bundle = parse(&[&leaf_pem, &root_pem, &leaf_key]).unwrap();
    assert_eq!((bundle.key.cert.len(), bundle.names), (2, vec!["dns.example".to_owned()]));
    let swapped = parse(&[&root_pem, &leaf_pem, &leaf_key]);
    assert!(matches!(swapped, Err(BundleError::Mismatch)), "{swapped:?}");
}

#[test]
fn whatever_is_wrong_with_a_bundle_is_told_apart() {
    let (certificate, key) = pem(&["dns.example"]);
    let (_, other) = pem(&["other.example"]);
    let check = |parts: &[&str], expect: fn(&BundleError) -> bool| {
        let error = parse(parts).unwrap_err();
        assert!(expect(&error) && !error.help().is_empty(), "{error:?}");
    };
    check(&[], |error| matches!(error, BundleError::NoCertificate));
    check(&["hello"], |error| matches!(error, BundleError::NoCertificate));
    check(&[&key], |error| matches!(error, BundleError::NoCertificate));
    check(&[&certificate], |error| matches!(error, BundleError::NoKey));
    check(&[&certificate, &key, &other], |error| matches!(error, BundleError::SeveralKeys(2)));
    check(&[&certificate, &other], |error| matches!(error, BundleError::Mismatch));
    check(&[&certificate[..certificate.len() / 2]], |error| matches!(error, BundleError::NotPem(_)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(&[broken, &key], |error| matches!(error, BundleError::Unintelligible));
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(&[&certificate, broken], |error| matches!(error, BundleError::UnusableKey(_)));
}

/// What `openssl x509 -req` makes without extensions.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBJTCBzQIUBcYI8R7ELmyIZoJAssqst2vtGnkwCgYIKoZIzj0EAwIwFTETMBEG
A1UEAwwKdjEuZXhhbXBsZTAgFw0yNjExMjIxNTQ4NDRaGA8yMTI2MTAyOTE1NDg0
NFowFTETMBEGA1UEAwwKdjEuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABO2j8q4/vXSMeKLeC9rS+IYMYdfcv0grkdhpE0m2rq9+UccwGXxrROj6R9EY
1oyC8JthBs8sIbbdhho2OLNkTg4wCgYIKoZIzj0EAwIDRwAwRAIgHDjqg/hC/RQC
LwIui5glPaZ/JXoPS8fUMRwdHTrNzN8CIFoc9VSMZmViBVZzlov2s+5J0VmWd7eu
7Tjnr2YfpD5G
-----END CERTIFICATE-----
";

#[test]
fn a_certificate_of_version_1_is_named_and_so_is_that_of_a_peer() {
    let (_, key) = pem(&["dns.example"]);
    let error = parse(&[VERSION_1, &key]).unwrap_err();
    assert!(matches!(error, BundleError::Version1) && error.help().contains("subjectAltName"), "{error:?}");
    let refused = |text: &str| {
        let der = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        match rustls::server::ParsedCertificate::try_from(&der) {
            Err(TlsError::InvalidCertificate(error)) => super::super::is_version_1(&error),
            other => panic!("{:?}", other.err()),
        }
    };
    assert!(refused(VERSION_1));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(!refused(broken));
}

#[test]
fn a_file_that_is_missing_or_too_large_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dns.pem");
    assert!(matches!(Bundle::load(&file), Err(BundleError::Unreadable(_))));
    fs::write(&file, vec![b'\n'; 1 << 21]).unwrap();
    assert!(matches!(Bundle::load(&file), Err(BundleError::TooLarge(_))));
    let (certificate, key) = pem(&["dns.example"]);
    fs::write(&file, certificate + &key).unwrap();
    assert_eq!(Bundle::load(&file).unwrap().file, file);
}

#[test]
fn an_operator_hears_of_certificates_that_clients_refuse_or_soon_will() {
    let (certificate, key) = pem_until(&["dns.example"], 2030);
    let bundle = parse(&[&certificate, &key]).unwrap();
    let check = |now: SystemTime, expect: Option<&str>| {
        let warning = bundle.warning(now);
        let holds = match expect {
            Some(part) => {
                warning.as_ref().is_some_and(|text| text.contains(part) && text.contains("dns.pem"))
            }
            None => warning.is_none(),
        };
        assert!(holds, "{warning:?} and not {expect:?}");
    };
    let hour = Duration::from_secs(3600);
    check(bundle.not_before - hour, Some("begins on Jan  1 00:00:00 2020"));
    check(bundle.not_before + hour, None);
    check(bundle.not_after - 24 * hour, Some("ends in 24 hours"));
    check(bundle.not_after + hour, Some("ended on Jan  1 00:00:00 2030"));
}
