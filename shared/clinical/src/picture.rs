//! How large a picture says it is: a few bytes can ask a browser for gigabytes.

/// Width and height in pixels, as the head of a PNG, GIF or JPEG states them. `None` when it does
/// not, so that it is broken or of another kind.
pub fn picture_size(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        // PNG 11.2.1: the first chunk is IHDR.
        let is_header = bytes.get(12..16) == Some(b"IHDR");
        return is_header.then_some((be32(bytes, 16)?, be32(bytes, 20)?)).filter(is_some_area);
    }
    if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        let of =
            |at: usize| Some(u32::from(*bytes.get(at)?) | (u32::from(*bytes.get(at + 1)?) << 8));
        return Some((of(6)?, of(8)?)).filter(is_some_area);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return jpeg_size(bytes).filter(is_some_area);
    }
    None
}

/// Whether browsers can show it as a picture without being asked for too much memory.
pub fn can_be_shown(bytes: &[u8]) -> bool {
    picture_size(bytes).is_some_and(|(w, h)| u64::from(w) * u64::from(h) <= MAX_PIXELS)
}

/// The frame header (SOFn) of a JPEG: behind segments that each tell their length.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..MAX_SEGMENTS {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        match marker {
            // Padding, and markers that stand alone.
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            // All frames but tables of codes (C4, CC) and what is reserved (C8).
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((be16(bytes, at + 7)?, be16(bytes, at + 5)?));
            }
            // The end, or the picture without a frame.
            0xd9 | 0xda => return None,
            _ => at += 2 + be16(bytes, at + 2)? as usize,
        }
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    Some((u32::from(*bytes.get(at)?) << 8) | u32::from(*bytes.get(at + 1)?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some((be16(bytes, at)? << 16) | be16(bytes, at + 2)?)
}

fn is_some_area(size: &(u32, u32)) -> bool {
    size.0 > 0 && size.1 > 0
}

/// A scan of a page at 600 dots an inch has 35 million.
const MAX_PIXELS: u64 = 50_000_000;
const MAX_SEGMENTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_the_heads_state_them() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x02\x08\x06\0\0\0";
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc2\0\x0b\x08\0\x03\0\x07\x01";

        assert_eq!(picture_size(png), Some((256, 2)));
        assert_eq!(picture_size(b"GIF89a\x10\0\x01\x01;"), Some((16, 257)));
        assert_eq!(picture_size(jpeg), Some((7, 3)));
        for end in 0..png.len() - 5 {
            let _ = picture_size(&png[..end]);
        }
        for broken in [&jpeg[..12], b"\xff\xd8\xff\xd9", b"GIF89a\0\0\x01\0", b"<svg", b""] {
            assert_eq!(picture_size(broken), None);
        }
    }

    #[test]
    fn a_flood_of_pixels_is_not_shown() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x06\0\0\0";

        assert_eq!(picture_size(png), Some((65_535, 65_535)));
        assert!(!can_be_shown(png));
        assert!(can_be_shown(b"GIF89a\x10\0\x01\x01;"));
    }
}
