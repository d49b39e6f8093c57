//! The vectors of RFC 9018 appendix A, and what a cookie that is not ours comes to.

use super::*;

fn octets<const LEN: usize>(hex: &str) -> [u8; LEN] {
    let octet = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    assert_eq!(hex.len(), 2 * LEN);
    std::array::from_fn(octet)
}

fn cookie(hex: &str) -> Cookie {
    let (client, server) = hex.split_at(2 * CLIENT_COOKIE);
    Cookie { client: octets(client), server: (!server.is_empty()).then(|| octets(server)) }
}

fn judge(secrets: &Secrets, sent: &str, client: &str, now: u32) -> (String, bool) {
    let judgement = secrets.judge(&cookie(sent), client.parse().unwrap(), now);
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    let digits = judgement.reply.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]);
    (digits.collect(), judgement.proven)
}

const SECRET_A: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const LEARNED: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
const CLIENT: &str = "198.51.100.100";
const MADE: u32 = 1_559_731_985;

#[test]
fn a_client_learns_its_cookie_as_in_rfc_9018_a_1() {
    let secrets = Secrets::new(octets(SECRET_A));
    for client in [CLIENT, "::ffff:198.51.100.100"] {
        assert_eq!(judge(&secrets, "2464c4abcf10c957", client, MADE), (LEARNED.to_owned(), false));
    }
}

#[test]
fn an_old_cookie_is_renewed_as_in_rfc_9018_a_2() {
    let secrets = Secrets::new(octets(SECRET_A));
    let renewed = "2464c4abcf10c957010000005cf7a871d4a564a1442aca77";
    assert_eq!(judge(&secrets, LEARNED, CLIENT, 1_559_734_385), (renewed.to_owned(), true));
    assert_eq!(judge(&secrets, LEARNED, CLIENT, MADE + 1800), (LEARNED.to_owned(), true), "young enough");
}

#[test]
fn reserved_octets_are_checked_and_not_sent_back_as_in_rfc_9018_a_3() {
    let secrets = Secrets::new(octets(SECRET_A));
    let sent = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    // The vector's own time is two hours later, when RFC 9018 §4.3 lets no cookie count.
    let (_, proven) = judge(&secrets, sent, "203.0.113.203", 1_559_727_985 + 60);
    assert!(proven);
    let (reply, proven) = judge(&secrets, sent, "203.0.113.203", 1_559_734_700);
    assert_eq!((reply.as_str(), proven), ("fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", false));
}

#[test]
fn a_cookie_of_the_secret_before_counts_and_is_renewed_as_in_rfc_9018_a_4() {
    let old = octets("dd3bdf9344b678b185a6f5cb60fca715");
    let secrets = Secrets::new(old).rotated(octets("445536bcd2513298075a5d379663c962"));
    let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
    let sent = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
    let (reply, proven) = judge(&secrets, sent, client, 1_559_741_961);
    assert_eq!((reply.as_str(), proven), ("22681ab97d52c298010000005cf7c609a6bb79d16625507a", true));
    let gone = secrets.rotated([1; SECRET]);
    assert!(!judge(&gone, sent, client, 1_559_741_961).1, "two changes later");
}

#[test]
fn a_cookie_counts_for_an_hour_from_its_own_client_alone() {
    let secrets = Secrets::new(octets(SECRET_A));
    let proven = |sent: &str, client: &str, now: u32| judge(&secrets, sent, client, now).1;
    assert!(proven(LEARNED, CLIENT, MADE + 3600) && proven(LEARNED, CLIENT, MADE - 300));
    assert!(!proven(LEARNED, CLIENT, MADE + 3601) && !proven(LEARNED, CLIENT, MADE - 301));
    assert!(!proven(LEARNED, "198.51.100.101", MADE));
    for at in 0..LEARNED.len() {
        let mut forged = LEARNED.to_owned();
        let digit = if forged.as_bytes()[at] == b'0' { "1" } else { "0" };
        forged.replace_range(at..=at, digit);
        assert!(!proven(&forged, CLIENT, MADE), "{forged}");
    }
}
