//! What a guesser must not know: the query's number and the spelling of its name. Drawn from the kernel.

use super::Breakdown;

/// The random part of one query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonce {
    pub(super) id: u16,
    pub(super) mask: [u8; 32],
}

impl Nonce {
    pub(super) fn draw() -> Result<Self, Breakdown> {
        let mut octets = [0; 34];
        getrandom::fill(&mut octets).map_err(|_| Breakdown::Resources)?;
        let [high, low, mask @ ..] = octets;
        Ok(Self { id: u16::from_be_bytes([high, low]), mask })
    }
}
