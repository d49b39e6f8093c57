//! A body compressed as it comes: what is at hand is taken together, and whatever a pause follows leaves at once. Pure.
//!
//! Levels are those that cost about as much time as the network would: brotli 3, zstd 3, gzip 5. Windows and tables are
//! small, so that many answers at once stay within bounds: the next level of brotli takes half as much memory again, and
//! zstd with tables of its level three times as much, for 3 % fewer octets each.

use brotli::CompressorWriter;
use bytes::Bytes;
use config::model::Coding;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use zstd::stream::write::Encoder;
use zstd::zstd_safe::CParameter;

const BROTLI: u32 = 3;
const ZSTD: i32 = 3;
const GZIP: u32 = 5;
/// Windows, and the tables of zstd, as powers of two.
const BROTLI_WINDOW: u32 = 18;
const ZSTD_WINDOW: u32 = 16;
const ZSTD_TABLES: [CParameter; 2] = [CParameter::HashLog(14), CParameter::ChainLog(13)];
/// What brotli writes at a time.
const PIECE: usize = 4096;
/// What is taken together at most, before and after.
const TOGETHER: usize = 32 << 10;

/// One body on its way.
pub(crate) struct Packer {
    coder: Option<Coder>,
    /// Octets taken since something left.
    taken: usize,
}

enum Coder {
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Box<Encoder<'static, Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Packer {
    /// An error is a lack of memory.
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        let coder = match coding {
            Coding::Br => {
                Coder::Br(Box::new(CompressorWriter::new(Vec::new(), PIECE, BROTLI, BROTLI_WINDOW)))
            }
            Coding::Zstd => {
                let mut coder = Encoder::new(Vec::new(), ZSTD)?;
                coder.window_log(ZSTD_WINDOW)?;
                ZSTD_TABLES.into_iter().try_for_each(|table| coder.set_parameter(table))?;
                Coder::Zstd(Box::new(coder))
            }
            Coding::Gzip => Coder::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(GZIP)))),
        };
        Ok(Self { coder: Some(coder), taken: 0 })
    }

    /// Bytes of memory that one takes, with what it has taken in and not given out.
    pub(crate) const fn size(coding: Coding) -> usize {
        match coding {
            Coding::Br => 800 << 10,
            Coding::Zstd => 384 << 10,
            Coding::Gzip => 416 << 10,
        }
    }

    /// Takes octets. Returns what is to leave, if much has come together.
    pub(crate) fn take(&mut self, octets: &[u8]) -> io::Result<Option<Bytes>> {
        if let Some(coder) = &mut self.coder {
            coder.writer().write_all(octets)?;
        }
        self.taken += octets.len();
        if self.taken < TOGETHER { Ok(None) } else { self.pause() }
    }

    /// Nothing more is at hand: returns what is to leave, if anything is.
    pub(crate) fn pause(&mut self) -> io::Result<Option<Bytes>> {
        let Some(coder) = self.coder.as_mut().filter(|_| self.taken > 0) else { return Ok(None) };
        coder.writer().flush()?;
        self.taken = 0;
        Ok(Some(coder.packed()).filter(|packed| !packed.is_empty()))
    }

    /// The last of it, once.
    pub(crate) fn end(&mut self) -> io::Result<Option<Bytes>> {
        let Some(coder) = self.coder.take() else { return Ok(None) };
        let packed = match coder {
            Coder::Br(coder) => coder.into_inner(),
            Coder::Zstd(coder) => coder.finish()?,
            Coder::Gzip(coder) => coder.finish()?,
        };
        Ok(Some(packed.into()))
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.coder.is_none()
    }
}

impl Coder {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Br(coder) => coder,
            Self::Zstd(coder) => coder,
            Self::Gzip(coder) => coder,
        }
    }

    fn packed(&mut self) -> Bytes {
        let packed = match self {
            Self::Br(coder) => coder.get_mut(),
            Self::Zstd(coder) => coder.get_mut(),
            Self::Gzip(coder) => coder.get_mut(),
        };
        std::mem::take(packed).into()
    }
}
