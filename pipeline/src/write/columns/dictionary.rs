//! The distinct values of a column chunk, as its dictionary page has them.

use std::cmp::Ordering;
use std::collections::HashMap;

use parquet::basic::Type as Physical;

use crate::row_hash::BuildBytesHasher;

/// Values one after the other, texts with their length before them.
pub(crate) struct Dictionary {
    physical: Physical,
    page: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Dictionary {
    /// Of values of this type; none where they are of no type that is handled.
    pub(crate) fn new(physical: Physical) -> Option<Self> {
        let is_handled = matches!(physical, Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY);
        is_handled.then(|| Self {
            physical,
            page: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Takes the `count` values of a page; none where it does not hold so many.
    pub(crate) fn read(&mut self, page: &[u8], count: usize) -> Option<()> {
        let (mut at, mut ends) = (0usize, Vec::with_capacity(count.min(page.len())));
        for _ in 0..count {
            let size = match self.physical {
                Physical::BYTE_ARRAY => u32::from_le_bytes(*page.get(at..)?.first_chunk()?) as usize,
                _ => self.fixed(),
            };
            at = at.checked_add(self.before())?.checked_add(size)?;
            if at > page.len() {
                return None;
            }
            ends.push(at);
        }
        self.page = page[..at].to_vec();
        self.ends = ends;
        Some(())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a value.
    pub(crate) fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.page.get(start + self.before()..end)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// All of them as the bytes of a page.
    pub(crate) fn page(&self) -> &[u8] {
        &self.page
    }

    /// The place of each of some values, which are added where they are not there.
    pub(crate) fn places<'a>(&mut self, values: impl Iterator<Item = &'a [u8]>) -> Vec<u32> {
        // The values that are looked up are mostly few beside those that are there, and many are like the one before.
        let mut distinct: Vec<&[u8]> = Vec::new();
        let mut numbers: HashMap<&[u8], u32, BuildBytesHasher> = HashMap::default();
        let mut last: Option<(&[u8], u32)> = None;
        let number = |value| {
            let number = match last {
                Some((known, number)) if known == value => number,
                _ => *numbers.entry(value).or_insert_with(|| {
                    distinct.push(value);
                    distinct.len() as u32 - 1
                }),
            };
            last = Some((value, number));
            number
        };
        let of_value: Vec<u32> = values.map(number).collect();
        let mut places = vec![None; distinct.len()];
        for (place, value) in (0..).zip(self.iter()) {
            if let Some(number) = numbers.get(value) {
                places[*number as usize] = Some(place);
            }
        }
        let places = places.into_iter().zip(distinct);
        let places: Vec<u32> = places
            .map(|(place, value)| place.unwrap_or_else(|| self.push(value)))
            .collect();
        of_value
            .into_iter()
            .map(|number| places[number as usize])
            .collect()
    }

    /// Adds a value behind the others; its place.
    pub(crate) fn push(&mut self, value: &[u8]) -> u32 {
        if self.physical == Physical::BYTE_ARRAY {
            self.page.extend((value.len() as u32).to_le_bytes());
        }
        self.page.extend(value);
        self.ends.push(self.page.len());
        self.ends.len() as u32 - 1
    }

    /// Forgets the values that are not used.
    pub(crate) fn retain(&mut self, is_used: &[bool]) {
        let used = Self {
            physical: self.physical,
            page: Vec::with_capacity(self.page.len()),
            ends: Vec::with_capacity(self.ends.len()),
        };
        let all = std::mem::replace(self, used);
        for (value, _) in all.iter().zip(is_used).filter(|(_, is_used)| **is_used) {
            self.push(value);
        }
    }

    /// The least and the greatest value in the order of signed numbers, or of the bytes of texts.
    pub(crate) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let least = self.iter().min_by(|one, other| self.order(one, other))?;
        let greatest = self.iter().max_by(|one, other| self.order(one, other))?;
        Some((least, greatest))
    }

    fn order(&self, one: &[u8], other: &[u8]) -> Ordering {
        match self.physical {
            Physical::INT32 => int(one).cmp(&int(other)),
            Physical::INT64 => long(one).cmp(&long(other)),
            _ => one.cmp(other),
        }
    }

    /// Bytes of a value that is no text.
    fn fixed(&self) -> usize {
        match self.physical {
            Physical::INT32 => 4,
            _ => 8,
        }
    }

    /// Bytes before a value.
    fn before(&self) -> usize {
        match self.physical {
            Physical::BYTE_ARRAY => 4,
            _ => 0,
        }
    }
}

/// The number of an INT32 value.
pub(crate) fn int(value: &[u8]) -> i32 {
    value.first_chunk().copied().map_or(0, i32::from_le_bytes)
}

/// The number of an INT64 value.
pub(crate) fn long(value: &[u8]) -> i64 {
    value.first_chunk().copied().map_or(0, i64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Dictionary {
        let mut dictionary = Dictionary::new(Physical::BYTE_ARRAY).unwrap();
        dictionary.places(words.iter().map(|word| word.as_bytes()));
        dictionary
    }

    fn words(dictionary: &Dictionary) -> Vec<&str> {
        dictionary
            .iter()
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn values_have_the_place_they_had_and_new_ones_follow() {
        let mut dictionary = texts(&["b", "", "a"]);
        assert_eq!(
            dictionary.places(["a", "c", "", "c", "d"].iter().map(|word| word.as_bytes())),
            [2, 3, 1, 3, 4]
        );
        assert_eq!(words(&dictionary), ["b", "", "a", "c", "d"]);
        assert_eq!(dictionary.bounds().unwrap(), (&b""[..], &b"d"[..]));

        dictionary.retain(&[true, false, false, true, true]);
        assert_eq!(words(&dictionary), ["b", "c", "d"]);
        assert_eq!(dictionary.page()[..6], [1, 0, 0, 0, b'b', 1]);
        assert_eq!(dictionary.get(3), None);
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        let mut dictionary = Dictionary::new(Physical::INT32).unwrap();
        assert!(dictionary.bounds().is_none());
        let numbers = [300i32, -1, 0].map(i32::to_le_bytes);
        dictionary.places(numbers.iter().map(|number| number.as_slice()));
        let (least, greatest) = dictionary.bounds().unwrap();
        assert_eq!((int(least), int(greatest)), (-1, 300));
    }

    #[test]
    fn a_page_that_holds_less_than_it_says_is_none() {
        let page = texts(&["one", "two"]).page().to_vec();
        let mut read = Dictionary::new(Physical::BYTE_ARRAY).unwrap();
        read.read(&page, 2).unwrap();
        assert_eq!(words(&read), ["one", "two"]);
        for cut in [&page[..page.len() - 1], &page[..8], &[0xff; 9]] {
            assert!(read.read(cut, 2).is_none());
        }
        assert!(read.read(&page, usize::MAX).is_none());
        assert!(Dictionary::new(Physical::DOUBLE).is_none());
    }
}
