//! Streams that are written as text. ISO 32000-1, 7.4.2 and 7.4.3.

use super::object::digit;

/// ASCIIHexDecode.
pub(super) fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> =
        bytes.iter().take_while(|b| **b != b'>').filter_map(|b| digit(*b)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
}

/// ASCII85Decode.
pub(super) fn ascii85(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 5 * 4);
    let mut group = Vec::with_capacity(5);
    for byte in bytes.iter().take_while(|b| **b != b'~') {
        match byte {
            b'z' if group.is_empty() => out.extend([0; 4]),
            b'!'..=b'u' => group.push(byte - b'!'),
            _ => {}
        }
        if group.len() == 5 {
            out.extend(number85(&group).to_be_bytes());
            group.clear();
        }
    }
    if group.len() > 1 {
        let kept = group.len() - 1;
        group.resize(5, 84);
        out.extend(&number85(&group).to_be_bytes()[..kept]);
    }
    out
}

fn number85(group: &[u8]) -> u32 {
    group.iter().fold(0u32, |n, d| n.wrapping_mul(85).wrapping_add(u32::from(*d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_bytes() {
        assert_eq!(ascii85(b"87cURD]i,\"Ebo80~>"), b"Hello World!");
        assert_eq!(ascii85(b"z!!~>"), [0, 0, 0, 0, 0]);
        assert_eq!(hex(b"48 65 6C6c 6>"), b"Hell\x60");
        assert!(ascii85(b"\xff\xff~").is_empty() && hex(b"xyz").is_empty());
    }
}
