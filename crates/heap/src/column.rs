//! Storage that the graph is made of: numbers that are nearly always small, and texts in one arena.

/// Numbers that nearly always fit 32 bits; the few that do not live in a sorted side table.
#[derive(Debug, Default)]
pub(crate) struct Column {
    low: Vec<u32>,
    /// Row and value, for rows whose `low` is `WIDE`; rows ascend because rows are only appended.
    wide: Vec<(u32, u64)>,
}

const WIDE: u32 = u32::MAX;

impl Column {
    pub(crate) fn push(&mut self, value: u64) {
        match u32::try_from(value) {
            Ok(low) if low != WIDE => self.low.push(low),
            _ => {
                self.wide.push((self.low.len() as u32, value));
                self.low.push(WIDE);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.low.clear();
        self.wide.clear();
    }

    pub(crate) fn append(&mut self, other: &Self) {
        let rows = self.low.len() as u32;
        self.wide
            .extend(other.wide.iter().map(|(row, value)| (rows + row, *value)));
        self.low.extend_from_slice(&other.low);
    }

    pub(crate) fn get(&self, row: u32) -> u64 {
        match self.low[row as usize] {
            WIDE => self
                .wide
                .binary_search_by_key(&row, |(at, _)| *at)
                .map_or(0, |at| self.wide[at].1),
            low => u64::from(low),
        }
    }
}

/// Texts by number, one after the other in one arena.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    arena: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.arena.push_str(text);
        self.ends.push(self.arena.len());
    }

    pub(crate) fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.arena[start..self.ends[index]]
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn shrink(&mut self) {
        self.arena.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_values_come_back() {
        let mut column = Column::default();
        let values = [
            0,
            7,
            u64::from(u32::MAX) - 1,
            u64::from(u32::MAX),
            1 << 40,
            3,
            u64::MAX,
        ];
        for value in values {
            column.push(value);
        }
        let mut twice = Column::default();
        twice.append(&column);
        twice.append(&column);
        let back: Vec<u64> = (0..2 * values.len() as u32).map(|row| twice.get(row)).collect();
        assert_eq!(back, values.repeat(2));
    }

    #[test]
    fn texts_come_back() {
        let mut texts = Texts::default();
        for text in ["", "a", "", "é✓"] {
            texts.push(text);
        }
        let back: Vec<&str> = (0..texts.len() as u32).map(|index| texts.get(index)).collect();
        assert_eq!(back, ["", "a", "", "é✓"]);
    }
}
