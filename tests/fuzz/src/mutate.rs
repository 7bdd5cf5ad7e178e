//! Changes of seeds that keep some of their structure: pieces between the marks of a language are
//! moved, repeated, nested and exchanged, words of it put in, numbers and bytes made extreme.

/// Random numbers that are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.number() % end as u64) as usize }
    }
}

/// One of the seeds, changed in one to eight ways; at most `MAX_INPUT` bytes.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = seeds.get(random.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(8) {
        change(random, &mut bytes, seeds, words);
        bytes.truncate(MAX_INPUT);
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&[u8]]) {
    let range = range(random, bytes);
    match random.below(12) {
        0 => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte = EXTREME_BYTES[random.below(EXTREME_BYTES.len())];
            }
        }
        2 => drop(bytes.drain(range)),
        3 => {
            let piece = bytes[range].to_vec();
            let at = random.below(bytes.len() + 1);
            bytes.splice(at..at, piece);
        }
        // Many of the same, as a flood of attributes, parts or repetitions is.
        4 => {
            let piece = bytes[range.clone()].to_vec();
            let times = 1 << random.below(12);
            let room = (MAX_INPUT.saturating_sub(bytes.len())) / piece.len().max(1);
            bytes.splice(range.end..range.end, piece.repeat(times.min(room)));
        }
        5 => {
            let other = &seeds[random.below(seeds.len())];
            let piece = other[self::range(random, other)].to_vec();
            bytes.splice(range, piece);
        }
        6 => bytes.truncate(range.start),
        7 if !words.is_empty() => {
            let word = words[random.below(words.len())];
            bytes.splice(range.start..range.start, word.iter().copied());
        }
        8 => number(random, bytes, range.start),
        // What opens, again and again.
        9 if !words.is_empty() => {
            let word = words[random.below(words.len())];
            let times = 1 << random.below(11);
            let room = MAX_INPUT.saturating_sub(bytes.len()) / word.len().max(1);
            bytes.splice(range.start..range.start, word.repeat(times.min(room)));
        }
        10 => {
            let odd = ODD[random.below(ODD.len())];
            bytes.splice(range.start..range.start, odd.iter().copied());
        }
        _ => bytes[range].reverse(),
    }
}

/// A piece between two marks as often as not, else any.
fn range(random: &mut Random, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = random.below(bytes.len());
    if random.below(2) == 0 {
        let end = (start + random.below(64)).min(bytes.len());
        return start..end;
    }
    let is_mark = |b: &u8| MARKS.contains(b);
    let first = bytes[..start].iter().rposition(is_mark).unwrap_or(0);
    let mut last = start;
    for _ in 0..=random.below(3) {
        let next = bytes[last..].iter().skip(1).position(is_mark);
        last = next.map_or(bytes.len(), |n| last + 1 + n);
        if last >= bytes.len() {
            break;
        }
    }
    first..last.min(bytes.len())
}

/// The next number from a place on becomes an extreme one.
fn number(random: &mut Random, bytes: &mut Vec<u8>, from: usize) {
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|n| from + n) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    let other = NUMBERS[random.below(NUMBERS.len())];
    bytes.splice(start..start + length, other.iter().copied());
}

/// The longest input that is made.
pub const MAX_INPUT: usize = 192 << 10;
const MARKS: &[u8] = b"<>|^~&\\\r\n\"'{}[](),;:=/ ";
const EXTREME_BYTES: [u8; 10] = [0, 1, 0x0b, 0x1c, 0x20, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const NUMBERS: [&[u8]; 9] = [
    b"0",
    b"-1",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e999",
];
const ODD: [&[u8]; 9] = [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae",
    b"\r\n\r\n",
    b"\0",
];
