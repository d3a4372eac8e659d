//! Numbers that take as many bits as they need, and varints. What is read behind the end is zero.

/// The bits that numbers up to `most` take.
pub(super) fn width(most: usize) -> u32 {
    usize::BITS - most.leading_zeros()
}

/// The number of `width` bits (32 at most) at bit `at`.
#[inline]
pub(super) fn bits(bytes: &[u8], at: usize, width: u32) -> u32 {
    ((word(bytes, at / 8) >> (at % 8)) & ((1 << width) - 1)) as u32
}

/// The 64 bits from byte `at` on.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Packs numbers; whole bytes at the end.
#[derive(Default)]
pub(super) struct Packer {
    pub(super) bytes: Vec<u8>,
    /// Bits that wait for their byte to be full, and how many.
    waiting: u64,
    held: u32,
}

impl Packer {
    /// Adds the lowest `width` bits (32 at most) of `number`.
    pub(super) fn push(&mut self, number: u32, width: u32) {
        self.waiting |= (u64::from(number) & ((1 << width) - 1)) << self.held;
        self.held += width;
        while self.held >= 8 {
            self.bytes.push(self.waiting as u8);
            self.waiting >>= 8;
            self.held -= 8;
        }
    }
    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        if self.held > 0 {
            self.push(0, 8 - self.held);
        }
    }
}

/// Packs all of `numbers` in `width` bits each.
pub(super) fn pack(numbers: impl Iterator<Item = u32>, width: u32) -> Vec<u8> {
    let mut packer = Packer::default();
    numbers.for_each(|number| packer.push(number, width));
    packer.align();
    packer.bytes
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Reads a varint of at most five bytes and 32 bits.
#[inline]
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u32::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    for shift in [7, 14, 21, 28] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}

/// Writes a varint.
pub(super) fn push_varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// The first of `0..count` for which `below` is false, which stays false from there on.
pub(super) fn partition(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_numbers_are_read_as_written_and_zeros_follow() {
        for width in 0..=32 {
            let numbers = (0..50_u32)
                .map(|i| (u64::from(i.wrapping_mul(0x9e37_79b9)) & ((1 << width) - 1)) as u32)
                .collect::<Vec<_>>();
            let bytes = pack(numbers.iter().copied(), width);
            assert_eq!(bytes.len(), (50 * width as usize).div_ceil(8));
            for (i, &number) in numbers.iter().enumerate() {
                assert_eq!(bits(&bytes, i * width as usize, width), number);
            }
            assert_eq!(bits(&bytes, 8 * bytes.len() + 3, width), 0);
        }
        assert_eq!([0, 1, 2, 255, 256].map(width), [0, 1, 2, 8, 9]);
    }
}
