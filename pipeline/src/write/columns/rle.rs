//! Parquet's hybrid of runs and packed bits, in which levels and indices into dictionaries are stored.
//!
//! A sequence of pieces, each headed by a variable-length integer whose lowest bit tells what follows: 0, a value
//! that repeats as often as the other bits say; 1, as many groups of eight packed values.

/// Values that are packed together, or begin a run where they are one value.
const GROUP: usize = 8;

/// Bits that values up to `greatest` need.
pub(crate) fn width(greatest: u32) -> u32 {
    u32::BITS - greatest.leading_zeros()
}

/// Appends the first `count` values to `values`; none where the bytes end before, or are not of this form.
pub(crate) fn decode(mut bytes: &[u8], width: u32, count: usize, values: &mut Vec<u32>) -> Option<()> {
    let end = values.len() + count;
    if width > u32::BITS {
        return None;
    }
    values.reserve(count);
    while values.len() < end {
        let header = take_header(&mut bytes)?;
        let wanted = end - values.len();
        let repeats = (header >> 1) as usize;
        if header & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(width.div_ceil(8) as usize)?;
            bytes = rest;
            let mut word = [0; 4];
            word.get_mut(..value.len())?.copy_from_slice(value);
            let repeated = std::iter::repeat_n(u32::from_le_bytes(word), repeats.min(wanted));
            values.extend(repeated);
        } else {
            // The last group may be cut off behind the last value.
            let size = repeats.checked_mul(width as usize)?.min(bytes.len());
            let (packed, rest) = bytes.split_at(size);
            bytes = rest;
            let count = repeats.saturating_mul(8).min(wanted);
            if packed.len() * 8 < count * width as usize {
                return None;
            }
            unpack(packed, width, count, values);
        }
        if repeats == 0 {
            return None;
        }
    }
    Some(())
}

/// Of each row of a data page whether it has a value (nothing where `is_nullable` says that all have one), and the bytes
/// that follow; none where the page is not of this form.
pub(crate) fn levels(page: &[u8], is_nullable: bool, rows: usize) -> Option<(Vec<u32>, &[u8])> {
    let mut levels = Vec::new();
    if !is_nullable {
        return Some((levels, page));
    }
    let (size, rest) = page.split_first_chunk::<4>()?;
    let (packed, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    decode(packed, 1, rows, &mut levels)?;
    Some((levels, rest))
}

/// The values, none of which needs more than `width` bits.
pub(crate) fn encode(values: &[u32], width: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * width as usize / 8 + 16);
    if width == 0 {
        // Some readers look for packed bits even where values have none.
        put_header((values.len() as u64) << 1, &mut bytes);
        return bytes;
    }
    let (mut packed_from, mut at) = (0, 0);
    while let Some(group) = values.get(at..at + GROUP) {
        let first = group[0];
        if group.iter().fold(0, |differ, value| differ | (value ^ first)) != 0 {
            at += GROUP;
            continue;
        }
        pack(&values[packed_from..at], width, &mut bytes);
        let run = values[at..].iter().take_while(|value| **value == first).count();
        put_header((run as u64) << 1, &mut bytes);
        bytes.extend(&first.to_le_bytes()[..width.div_ceil(8) as usize]);
        at += run;
        packed_from = at;
    }
    pack(&values[packed_from..], width, &mut bytes);
    bytes
}

fn unpack(packed: &[u8], width: u32, count: usize, values: &mut Vec<u32>) {
    let (start, groups) = (values.len(), count.div_ceil(GROUP));
    values.resize(start + groups * GROUP, 0);
    let mut padded = packed.to_vec();
    padded.resize(groups * width as usize, 0);
    // Code of its own for each width, in which every place is known: several times as fast.
    macro_rules! of_width {
        ($($width:literal)*) => {
            match width {
                $($width => unpack_groups::<$width>(&padded, &mut values[start..]),)*
                _ => {}
            }
        };
    }
    of_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    values.truncate(start + count);
}

fn unpack_groups<const WIDTH: usize>(packed: &[u8], values: &mut [u32]) {
    let mask = u32::MAX >> (u32::BITS as usize - WIDTH);
    for (packed, values) in packed
        .as_chunks::<WIDTH>()
        .0
        .iter()
        .zip(values.as_chunks_mut::<GROUP>().0)
    {
        let mut bytes = [0; 40];
        bytes[..WIDTH].copy_from_slice(packed);
        for (index, value) in values.iter_mut().enumerate() {
            let bit = index * WIDTH;
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
            *value = (u64::from_le_bytes(word) >> (bit % 8)) as u32 & mask;
        }
    }
}

/// Packs values as whole groups of eight, the last filled up with zeros.
fn pack(values: &[u32], width: u32, bytes: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    put_header((groups as u64) << 1 | 1, bytes);
    let start = bytes.len();
    bytes.resize(start + groups * width as usize, 0);
    let (mut words, tail) = bytes[start..].as_chunks_mut::<4>();
    let (mut word, mut bits) = (0u64, 0);
    for value in values {
        word |= u64::from(*value) << bits;
        bits += width;
        if bits >= u32::BITS
            && let [packed, rest @ ..] = words
        {
            *packed = (word as u32).to_le_bytes();
            words = rest;
            word >>= u32::BITS;
            bits -= u32::BITS;
        }
    }
    // What is left fills a word, where groups end with one, or what is behind the last.
    let left = word.to_le_bytes();
    match words {
        [packed, ..] => *packed = (word as u32).to_le_bytes(),
        [] => tail.copy_from_slice(&left[..tail.len()]),
    }
}

fn take_header(bytes: &mut &[u8]) -> Option<u64> {
    let mut header = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        header |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(header);
        }
    }
    None
}

fn put_header(mut header: u64, bytes: &mut Vec<u8>) {
    while header >= 0x80 {
        bytes.push(header as u8 | 0x80);
        header >>= 7;
    }
    bytes.push(header as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[u32], width: u32) {
        let encoded = encode(values, width);
        let mut decoded = vec![7];
        decode(&encoded, width, values.len(), &mut decoded).unwrap();
        assert_eq!(decoded[1..], *values);
    }

    #[test]
    fn runs_are_short_and_packed_values_have_the_bytes_of_the_format() {
        assert_eq!(
            encode(&[0, 1, 2, 3, 4, 5, 6, 7], 3),
            [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]
        );
        assert_eq!(encode(&[4; 100], 3), [200, 1, 4]);
        assert!(encode(&[], 3).is_empty());
        for count in [1, 3, 7, 200] {
            let zeros = vec![0; count];
            assert_eq!(encode(&zeros, 0)[0] & 1, 0, "a run");
            round_trip(&zeros, 0);
        }
        // Two values and the first six of the run are one group.
        let values: Vec<u32> = [1, 0].into_iter().chain([1; 20]).collect();
        assert_eq!(encode(&values, 1), [3, 0b1111_1101, 28, 1]);
    }

    #[test]
    fn bytes_of_another_form_are_no_values() {
        for bytes in [&[][..], &[0, 0], &[1], &[0x80], &[3, 1], &[0xff; 12], &[200]] {
            assert!(decode(bytes, 3, 8, &mut Vec::new()).is_none(), "{bytes:?}");
        }
        assert!(decode(&[16; 99], 64, 8, &mut Vec::new()).is_none());
        // Values without bits take no bytes.
        let mut values = Vec::new();
        decode(&[16], 0, 8, &mut values).unwrap();
        assert_eq!(values, [0; 8]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            width in 1u32..=32,
            runs in prop::collection::vec((any::<u32>(), 1usize..40), 0..60),
        ) {
            let mask = u32::MAX >> (32 - width);
            let values: Vec<u32> = runs
                .iter()
                .flat_map(|(value, run)| std::iter::repeat_n(value & mask, *run))
                .collect();
            round_trip(&values, width);
        }
    }
}
