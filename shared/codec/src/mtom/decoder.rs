use base64::Engine as _;
use bytes::{BufMut, Bytes, BytesMut};

use super::MtomError;

/// Undoes a part's transfer encoding chunk by chunk. What comes out does not depend on where the
/// chunks are cut.
pub(super) enum Decoder {
    Verbatim,
    Base64 {
        /// Characters of a group of four that is not complete yet.
        carry: Vec<u8>,
        /// Whether the padding was there, behind which nothing may come.
        ended: bool,
    },
    /// An escape that is not complete yet.
    QuotedPrintable(Vec<u8>),
}

impl Decoder {
    /// The decoder for a Content-Transfer-Encoding in lower case; empty means none.
    pub(super) fn of(encoding: &str) -> Result<Self, MtomError> {
        match encoding {
            "" | "binary" | "8bit" | "7bit" => Ok(Self::Verbatim),
            "base64" => Ok(Self::Base64 { carry: Vec::new(), ended: false }),
            "quoted-printable" => Ok(Self::QuotedPrintable(Vec::new())),
            _ => Err(MtomError::TransferEncoding),
        }
    }

    /// What can be decoded by now; may be empty.
    pub(super) fn decode(&mut self, raw: Bytes) -> Result<Bytes, MtomError> {
        match self {
            Self::Verbatim => Ok(raw),
            Self::Base64 { carry, ended } => {
                carry.extend(raw.iter().filter(|b| !b.is_ascii_whitespace()));
                if *ended && !carry.is_empty() {
                    return Err(MtomError::TransferEncoding);
                }
                let whole = carry.len() - carry.len() % 4;
                let decoded = base64::engine::general_purpose::STANDARD
                    .decode(&carry[..whole])
                    .map_err(|_| MtomError::TransferEncoding)?;
                *ended |= carry[..whole].ends_with(b"=");
                carry.drain(..whole);
                Ok(decoded.into())
            }
            Self::QuotedPrintable(carry) => {
                carry.extend_from_slice(&raw);
                quoted_printable(carry)
            }
        }
    }

    /// Checks that the part does not end in the middle of something.
    pub(super) fn finish(&mut self) -> Result<(), MtomError> {
        let whole = match self {
            Self::Verbatim => true,
            Self::Base64 { carry, .. } => carry.is_empty(),
            // A soft line end, whose line end went to the boundary.
            Self::QuotedPrintable(carry) => matches!(&carry[..], b"" | b"=" | b"=\r" | b"=\n"),
        };
        *self = Self::Verbatim;
        if whole { Ok(()) } else { Err(MtomError::TransferEncoding) }
    }
}

/// Decodes what is complete and leaves an escape that is cut off in `carry`.
fn quoted_printable(carry: &mut Vec<u8>) -> Result<Bytes, MtomError> {
    let mut out = BytesMut::with_capacity(carry.len());
    let mut at = 0;
    while at < carry.len() {
        let plain = memchr::memchr(b'=', &carry[at..]).map_or(carry.len(), |found| at + found);
        out.extend_from_slice(&carry[at..plain]);
        at = plain;
        match &carry[at..] {
            [b'=', b'\n', ..] => at += 2,
            [b'=', b'\r', b'\n', ..] => at += 3,
            [b'=', high, low, ..] => {
                out.put_u8(hex_byte(*high, *low).ok_or(MtomError::TransferEncoding)?);
                at += 3;
            }
            _ => break,
        }
    }
    carry.drain(..at);
    Ok(out.freeze())
}

/// The byte that two hexadecimal digits mean.
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: &str, text: &[u8], cut: usize) -> Result<Vec<u8>, MtomError> {
        let mut decoder = Decoder::of(encoding)?;
        let mut out = Vec::new();
        for chunk in text.chunks(cut) {
            out.extend_from_slice(&decoder.decode(Bytes::copy_from_slice(chunk))?);
        }
        decoder.finish()?;
        Ok(out)
    }

    #[test]
    fn wherever_the_chunks_are_cut() {
        for cut in 1..20 {
            assert_eq!(decode("base64", b"aGVs\r\nbG8=\r\n", cut).unwrap(), b"hello");
            let quoted = b"a=3Db=\r\nc=\nd=C3=a9\r\ne=";
            assert_eq!(decode("quoted-printable", quoted, cut).unwrap(), "a=bcdé\r\ne".as_bytes());
            assert_eq!(decode("8bit", b"=3D\xff", cut).unwrap(), b"=3D\xff");
        }
    }

    #[test]
    fn what_is_broken_is_refused_wherever_it_is_cut() {
        for cut in 1..12 {
            for broken in
                ["aGVsbG8", "aGVsbG8=aGVs", "aGVsbG8=\r\naGVs", "a%b=", "aGV=", "=", "aGVsbG8=="]
            {
                assert!(decode("base64", broken.as_bytes(), cut).is_err(), "{broken} by {cut}");
            }
            for broken in ["=+1", "=3", "=XY", "= 1"] {
                assert!(decode("quoted-printable", broken.as_bytes(), cut).is_err(), "{broken}");
            }
        }
        assert!(Decoder::of("x-uuencode").is_err());
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(text in "[a-zA-Z=\r\n +0-9]{0,40}", cut in 1usize..12) {
            for encoding in ["base64", "quoted-printable"] {
                let whole = decode(encoding, text.as_bytes(), 1000).ok();
                prop_assert_eq!(decode(encoding, text.as_bytes(), cut).ok(), whole);
            }
        }
    }
}
