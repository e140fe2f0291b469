//! Storage that the graph is made of: numbers that are nearly always small, and texts in one arena.

/// Numbers that nearly always fit 32 bits; the few that do not live in a sorted side table.
#[derive(Debug, Default)]
pub(crate) struct Column {
    /// What all numbers have in common: `base + (low << shift)`.
    base: u64,
    shift: u32,
    low: Vec<u32>,
    /// Row and value, for rows whose `low` is `WIDE`; rows ascend because rows are only appended.
    wide: Vec<(u32, u64)>,
}

/// What the numbers of a column have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    base: u64,
    shift: u32,
}

impl Scale {
    /// A number without it; [`WIDE`] if it does not fit.
    #[inline]
    pub(crate) fn low(self, value: u64) -> u32 {
        let offset = value.wrapping_sub(self.base);
        let low = offset >> self.shift;
        if low < u64::from(WIDE) && low << self.shift == offset {
            low as u32
        } else {
            WIDE
        }
    }
}

/// Stands for a number that is in the side table.
pub(crate) const WIDE: u32 = u32::MAX;

impl Column {
    /// A column of numbers that mostly are multiples of `1 << shift` not far above `base`.
    pub(crate) fn scaled(base: u64, shift: u32) -> Self {
        Self {
            base,
            shift,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.low.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, value: u64) {
        let low = self.scale().low(value);
        if low == WIDE {
            self.wide.push((self.low.len() as u32, value));
        }
        self.low.push(low);
    }

    /// The column of numbers that all fit.
    pub(crate) fn of_low(low: Vec<u32>) -> Self {
        Self {
            low,
            ..Self::default()
        }
    }

    /// What turns numbers into those of the column.
    pub(crate) fn scale(&self) -> Scale {
        Scale {
            base: self.base,
            shift: self.shift,
        }
    }

    /// Numbers without what they have in common, [`WIDE`] for those of the side table.
    pub(crate) fn low(&self) -> &[u32] {
        &self.low
    }

    /// Takes the column apart into those and the side table of rows and numbers.
    pub(crate) fn into_parts(self) -> (Vec<u32>, Vec<(u32, u64)>) {
        (self.low, self.wide)
    }

    /// Rows and numbers of the side table.
    pub(crate) fn wide(&self) -> &[(u32, u64)] {
        &self.wide
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
            low => self.base.wrapping_add(u64::from(low) << self.shift),
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
    fn scaled_values_come_back() {
        let base = 7 << 32;
        let mut column = Column::scaled(base, 3);
        let values = [base, base + 8, base + 9, base - 8, 0, u64::MAX, base + (1 << 35)];
        for value in values {
            column.push(value);
        }
        let back: Vec<u64> = (0..values.len() as u32).map(|row| column.get(row)).collect();
        assert_eq!(back, values);
        assert_eq!((&column.low()[..2], column.wide().len()), (&[0, 1][..], 5));
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
