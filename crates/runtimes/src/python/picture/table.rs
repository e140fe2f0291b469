//! Numbers of objects by address: open addressing, since this is asked once a reference.

/// Addresses of objects, which are multiples of 8, with a number each.
pub(super) struct Table {
    keys: Vec<u64>,
    values: Vec<u32>,
    len: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            keys: vec![0; 1 << 16],
            values: vec![0; 1 << 16],
            len: 0,
        }
    }

    fn slot(&self, key: u64) -> usize {
        let mask = self.keys.len() - 1;
        // Fibonacci hashing: neighbours spread, and the high bits are the good ones.
        let hash = (key >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let mut at = hash as usize & mask;
        while self.keys[at] != 0 && self.keys[at] != key {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<u32> {
        let at = self.slot(key);
        (key != 0 && self.keys[at] == key).then(|| self.values[at])
    }

    pub(super) fn insert(&mut self, key: u64, value: u32) {
        if self.len * 8 >= self.keys.len() * 5 {
            self.grow();
        }
        let at = self.slot(key);
        if self.keys[at] == 0 {
            self.len += 1;
        }
        self.keys[at] = key;
        self.values[at] = value;
    }

    fn grow(&mut self) {
        let room = self.keys.len() * 2;
        let keys = std::mem::replace(&mut self.keys, vec![0; room]);
        let values = std::mem::replace(&mut self.values, vec![0; room]);
        for (key, value) in keys.into_iter().zip(values) {
            if key != 0 {
                let at = self.slot(key);
                self.keys[at] = key;
                self.values[at] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut table = Table::new();
        let key = |at: u32| 0x7f00_0000_0000 + u64::from(at) * 16;
        for at in 0..200_000 {
            table.insert(key(at), at);
        }
        assert!((0..200_000).all(|at| table.get(key(at)) == Some(at)));
        assert_eq!((table.get(key(200_000)), table.get(0)), (None, None));
    }
}
