//! Answers out of arbitrary octets: as they come, or put together so that most of them can be read.

use super::view;

/// Owners and targets in wire form. `\xc0\x0c` points to the question's name.
const NAMES: [&[u8]; 6] = [
    b"\xc0\x0c",
    b"\x03www\x07example\x00",
    b"\x03cdn\x07example\x00",
    b"\x05other\x03net\x00",
    b"\x07example\x00",
    b"\x01x\xc0\x10",
];

/// Types of records, those that decide more often.
const TYPES: [u16; 12] = [1, 1, 28, 28, 5, 6, 46, 39, 2, 47, 65, 41];

/// IPv4 addresses of all sorts.
const V4: [[u8; 4]; 8] = [
    [192, 0, 2, 1],
    [9, 9, 9, 9],
    [10, 0, 0, 1],
    [127, 0, 0, 1],
    [169, 254, 169, 254],
    [192, 0, 0, 170],
    [224, 0, 0, 1],
    [255, 255, 255, 255],
];

/// The first octets of IPv6 addresses of all sorts, with an IPv4 address behind.
const V6: [[u8; 12]; 6] = [
    [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
    [0x20, 1, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0],
    [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
    [0x20, 1, 0x0d, 0xb8, 0x0b, 0xad, 0, 0, 0, 0, 0, 0],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
];

/// TTLs that decide something.
const TTLS: [u32; 8] = [0, 1, 60, 300, 600, 86_400, 0x7fff_ffff, 0x8000_0000];

/// Octets that are taken one by one; zeroes where there are none left.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[usize::from(self.next()) % table.len()]
    }
}

/// A reply to `question`, numbered `id`, whose records `input` chooses: 3 to 5 octets each, behind 2 for the flags.
pub fn built(input: &[u8], id: u16, question: &[u8]) -> Vec<u8> {
    let mut octets = Octets(input);
    let flags = [0x80 | octets.next() & 0x07, octets.next()];
    let mut sections: [(u16, Vec<u8>); 3] = Default::default();
    while !octets.0.is_empty() && sections.iter().map(|(_, octets)| octets.len()).sum::<usize>() < 16_000 {
        let rtype = octets.pick(&TYPES);
        let place = octets.next();
        let section = match rtype {
            view::OPT => 2,
            view::SOA | 2 | 47 => 1,
            _ => usize::from(place >> 6) % 3,
        };
        let (count, section) = &mut sections[section];
        *count += 1;
        record(&mut octets, rtype, place, section);
    }
    let counts = sections.each_ref().map(|(count, _)| *count);
    let [answers, authorities, additionals] = sections.map(|(_, octets)| octets);
    let head = [&id.to_be_bytes()[..], &flags, &[0, 1]].concat();
    let counts = counts.map(u16::to_be_bytes).concat();
    [head, counts, question.to_vec(), answers, authorities, additionals].concat()
}

fn record(octets: &mut Octets<'_>, rtype: u16, place: u8, out: &mut Vec<u8>) {
    let owner = if rtype == view::OPT { &[0] } else { NAMES[usize::from(place) % NAMES.len()] };
    let ttl = if rtype == view::OPT { 0x8000 } else { octets.pick(&TTLS) };
    let class: u16 = if place & 0x3f == 0x3f { 3 } else { 1 };
    let data = match rtype {
        view::A => octets.pick(&V4).to_vec(),
        view::AAAA => [octets.pick(&V6).to_vec(), octets.pick(&V4).to_vec()].concat(),
        // The extended error of a failed validation, or another.
        view::OPT => vec![0, 15, 0, 2, 0, octets.next() % 30],
        view::SOA => [&[0, 0][..], &[0; 16], &octets.pick(&TTLS).to_be_bytes()].concat(),
        46 => {
            let covered = octets.pick(&TYPES).to_be_bytes();
            [&covered[..], &[8; 16], b"\x07example\x00", &[0xdd; 8]].concat()
        }
        47 => b"\x00\x00\x01\x40".to_vec(),
        // `1 . ipv4hint=192.0.2.1`, some of it left out.
        view::HTTPS => {
            b"\x00\x01\x00\x00\x04\x00\x04\xc0\x00\x02\x01"[..11 - usize::from(octets.next() % 4)].to_vec()
        }
        _ => octets.pick(&NAMES).to_vec(),
    };
    out.extend_from_slice(owner);
    for word in [rtype, class] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&data);
}

/// `input` as the records of a reply: 2 octets for the flags, 3 for how many records, and the records.
pub fn fitted(input: &[u8], id: u16, question: &[u8]) -> Vec<u8> {
    let mut octets = Octets(input);
    let flags = [0x80 | octets.next() & 0x07, octets.next()];
    let counts: [u8; 3] = std::array::from_fn(|_| octets.next() % 8);
    let counts: Vec<u8> = counts.into_iter().flat_map(|count| [0, count]).collect();
    [&id.to_be_bytes()[..], &flags, &[0, 1], &counts, question, octets.0].concat()
}
