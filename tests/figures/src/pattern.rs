//! Makes many of one: a row in which words of a fixed width give way to others.

/// Bytes with places at which words stand.
#[derive(Debug)]
pub struct Pattern {
    bytes: Vec<u8>,
    /// Offset and number of the word.
    places: Vec<(usize, usize)>,
}

impl Pattern {
    /// Finds every place at which one of `words` stands in `bytes`.
    pub fn new(bytes: Vec<u8>, words: &[String]) -> Self {
        let mut places = Vec::new();
        for (number, word) in words.iter().enumerate() {
            let windows = bytes.windows(word.len()).enumerate();
            let found = windows.filter(|(_, window)| *window == word.as_bytes());
            places.extend(found.map(|(at, _)| (at, number)));
        }
        Self { bytes, places }
    }

    /// The bytes with other words of the same widths.
    pub fn with(&self, words: &[String]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (at, number) in &self.places {
            let word = words[*number].as_bytes();
            bytes[*at..*at + word.len()].copy_from_slice(word);
        }
        bytes
    }
}
