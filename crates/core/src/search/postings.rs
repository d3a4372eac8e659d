//! The postings of one term: documents in rising order, in blocks, each with its impact.
//!
//! A list is, without gaps: the number of different impacts (a varint) and these impacts, the most
//! frequent first; per block of [`BLOCK`] but the last one its last document, and where the next
//! block starts times 16 plus the width of its impacts (`u32` each); where it has more than
//! [`BEST_FROM`] postings, its [`BEST`] best as one block; then all blocks.
//!
//! A block is an Elias-Fano list: of a document's distance from the block's first possible one, `low`
//! bits stand packed, and the rest, as many zeros as it grew and a one for each document, are in
//! front of them; places in the list of impacts, packed, follow. It needs some two bits a document
//! more than its distance has, and a document is looked up in it without reading those before.

use super::bits::{Packer, bits, partition, push_varint, u32_at, varint, width, word};

/// How many of the best postings a frequent term has at hand.
pub(super) const BEST: usize = 128;
/// From how many postings on a term is frequent.
pub(super) const BEST_FROM: usize = 512;
/// Postings in a block, of which any can be skipped.
const BLOCK: usize = 256;

/// A cursor over the postings of one term.
pub(super) struct Postings<'a> {
    docs: u32,
    total: usize,
    /// Different impacts.
    impacts: &'a [u8],
    skips: &'a [u8],
    best: &'a [u8],
    blocks: &'a [u8],
    /// The block that was looked into last.
    block: usize,
    /// The only posting, which stands with the term.
    single: Option<(u32, u8)>,
}

impl<'a> Postings<'a> {
    /// A list of `total` postings in an index of `docs` documents; none where it makes no sense.
    pub(super) fn read(docs: u32, total: usize, list: &'a [u8]) -> Self {
        Self::parts(docs, total, list).unwrap_or(Self::single(docs, u32::MAX, 0))
    }
    /// The list of one posting.
    pub(super) fn single(docs: u32, doc: u32, impact: u8) -> Self {
        let single = Some((doc, impact)).filter(|_| doc < docs);
        let [impacts, skips, best, blocks] = [&[][..]; 4];
        Self { docs, total: 0, impacts, skips, best, blocks, block: 0, single }
    }
    fn parts(docs: u32, total: usize, list: &'a [u8]) -> Option<Self> {
        if total == 0 || total > docs as usize {
            return None;
        }
        let mut at = 0;
        let count = varint(list, &mut at)? as usize;
        let (impacts, list) = list.get(at..)?.split_at_checked(count)?;
        let (skips, list) = list.split_at_checked(8 * ((total - 1) / BLOCK))?;
        let most = width(count.checked_sub(1)?);
        let best = if total > BEST_FROM { Block::new(list, 0, docs, BEST, most).size() } else { 0 };
        let (best, blocks) = list.split_at_checked(best)?;
        Some(Self { docs, total, impacts, skips, best, blocks, block: 0, single: None })
    }

    /// Calls `each` with all documents and their impacts.
    pub(super) fn all(&self, mut each: impl FnMut(u32, u8)) {
        if let Some((doc, impact)) = self.single {
            return each(doc, impact);
        }
        for i in 0..self.total.div_ceil(BLOCK) {
            let Some(block) = self.block(i) else { return };
            block.all(self.docs, self.impacts, &mut each);
        }
    }

    /// The same for the best ones: all of them, unless the term is frequent.
    pub(super) fn best(&self, mut each: impl FnMut(u32, u8)) {
        if self.total <= BEST_FROM {
            return self.all(each);
        }
        let block = Block::new(self.best, 0, self.docs, BEST, width(self.impacts.len() - 1));
        block.all(self.docs, self.impacts, &mut each);
    }

    /// The impact of `doc`; documents must be asked for in rising order.
    pub(super) fn seek(&mut self, doc: u32) -> Option<u8> {
        if self.total == 0 {
            return self.single.filter(|&(only, _)| only == doc).map(|(_, impact)| impact);
        }
        let ahead = self.skips.len() / 8 - self.block;
        let below = |i: usize| self.skip(self.block + i).is_some_and(|(last, ..)| last < doc);
        if ahead > 0 && below(0) {
            // Mostly it is near: look at 1, 2, 4, ... blocks ahead before halving what is left.
            let mut step = 1;
            while step < ahead && below(step) {
                step *= 2;
            }
            let start = step / 2 + 1;
            self.block +=
                start + partition(step.min(ahead).saturating_sub(start), |i| below(start + i));
        }
        self.block(self.block)?.find(doc, self.impacts)
    }

    /// The last document of a full block, where it ends, and the width of its impacts.
    fn skip(&self, i: usize) -> Option<(u32, usize, u32)> {
        let (last, end) = (u32_at(self.skips, 8 * i)?, u32_at(self.skips, 8 * i + 4)?);
        Some((last, (end >> 4) as usize, (end & 15).min(8)))
    }

    fn block(&self, i: usize) -> Option<Block<'a>> {
        let (first, start) = match i.checked_sub(1) {
            Some(before) => {
                self.skip(before).map(|(last, end, _)| (last.saturating_add(1), end))?
            }
            None => (0, 0),
        };
        let (end, count, of_impacts) = match self.skip(i) {
            Some((last, _, of_impacts)) => (last.saturating_add(1), BLOCK, of_impacts),
            None => (self.docs, self.total - i * BLOCK, width(self.impacts.len() - 1)),
        };
        let span = end.checked_sub(first).filter(|&span| span as usize >= count)?;
        Some(Block::new(self.blocks.get(start..)?, first, span, count, of_impacts))
    }
}

/// Documents of one list, between two bounds.
struct Block<'a> {
    bytes: &'a [u8],
    first: u32,
    count: usize,
    /// Bits of the zeros and ones in front; bits of each packed number behind them.
    front: usize,
    low: u32,
    of_impacts: u32,
}

impl<'a> Block<'a> {
    /// Of `count` documents, at least one, from `first` on and below `first + span`.
    fn new(bytes: &'a [u8], first: u32, span: u32, count: usize, of_impacts: u32) -> Self {
        let low = (span as usize / count).max(1).ilog2();
        let front = count + (span.saturating_sub(1) >> low) as usize;
        Self { bytes, first, count, front, low, of_impacts }
    }
    /// Its bytes.
    fn size(&self) -> usize {
        let packed = self.count * (self.low + self.of_impacts) as usize;
        self.front.div_ceil(8) + packed.div_ceil(8)
    }
    #[inline]
    fn low(&self, i: usize) -> u32 {
        bits(self.bytes, 8 * self.front.div_ceil(8) + i * self.low as usize, self.low)
    }
    #[inline]
    fn impact(&self, i: usize, impacts: &[u8]) -> u8 {
        let packed = 8 * self.front.div_ceil(8) + self.count * self.low as usize;
        let place = bits(self.bytes, packed + i * self.of_impacts as usize, self.of_impacts);
        impacts.get(place as usize).copied().unwrap_or(0)
    }

    #[inline]
    fn all(&self, docs: u32, impacts: &[u8], each: &mut impl FnMut(u32, u8)) {
        let mut i = 0;
        for start in (0..self.front).step_by(64) {
            let mut ones = word(self.bytes, start / 8);
            while ones != 0 && i < self.count {
                let high = start + ones.trailing_zeros() as usize - i;
                let doc =
                    u64::from(self.first) + ((high as u64) << self.low | u64::from(self.low(i)));
                if doc >= u64::from(docs) {
                    return;
                }
                each(doc as u32, self.impact(i, impacts));
                ones &= ones - 1;
                i += 1;
            }
        }
    }

    /// The impact of `doc`.
    fn find(&self, doc: u32, impacts: &[u8]) -> Option<u8> {
        let distance = doc.checked_sub(self.first)?;
        let (high, low) = ((distance >> self.low) as usize, distance & ((1 << self.low) - 1));
        // Behind as many zeros stand the documents with this start.
        let (mut at, mut zeros) = (0, high);
        while zeros > 0 {
            if at >= self.front {
                return None;
            }
            let mut clear = !word(self.bytes, at / 8);
            if (clear.count_ones() as usize) < zeros {
                zeros -= clear.count_ones() as usize;
                at += 64;
                continue;
            }
            for _ in 1..zeros {
                clear &= clear - 1;
            }
            at += clear.trailing_zeros() as usize + 1;
            zeros = 0;
        }
        for i in at.checked_sub(high)?..self.count {
            if bits(self.bytes, high + i, 1) == 0 || self.low(i) > low {
                return None;
            }
            if self.low(i) == low {
                return Some(self.impact(i, impacts));
            }
        }
        None
    }
}

/// Writes a list of two postings at least, which are sorted by document, for an index of `docs`.
pub(super) fn write(out: &mut Vec<u8>, docs: u32, list: &[(u32, u8)]) {
    let mut counts = [0_u32; 256];
    list.iter().for_each(|&(_, impact)| counts[usize::from(impact)] += 1);
    let mut impacts = (0..=255_u8).filter(|&i| counts[usize::from(i)] > 0).collect::<Vec<_>>();
    impacts.sort_by_key(|&i| std::cmp::Reverse(counts[usize::from(i)]));
    let mut places = [0_u32; 256];
    (0..).zip(&impacts).for_each(|(place, &i)| places[usize::from(i)] = place);
    push_varint(out, impacts.len());
    out.extend_from_slice(&impacts);

    let most = width(impacts.len() - 1);
    let (mut blocks, mut first) = (Vec::new(), 0);
    for chunk in list.chunks(BLOCK) {
        let last = chunk.last().map_or(0, |&(doc, _)| doc);
        let is_tail = last == list[list.len() - 1].0;
        let used = chunk.iter().map(|&(_, impact)| places[usize::from(impact)]).max();
        let of_impacts = if is_tail { most } else { width(used.unwrap_or(0) as usize) };
        let end = if is_tail { docs } else { last + 1 };
        let block = Block::new(&[], first, end - first, chunk.len(), of_impacts);
        blocks.extend(block_bytes(&block, chunk, &places));
        if !is_tail {
            out.extend(last.to_le_bytes());
            let end = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
            out.extend((end << 4 | of_impacts).to_le_bytes());
        }
        first = last + 1;
    }
    if list.len() > BEST_FROM {
        let mut best = list.to_vec();
        best.sort_unstable_by_key(|&(doc, impact)| (std::cmp::Reverse(impact), doc));
        best.truncate(BEST);
        best.sort_unstable();
        out.extend(block_bytes(&Block::new(&[], 0, docs, BEST, most), &best, &places));
    }
    out.extend(blocks);
}

fn block_bytes(block: &Block<'_>, list: &[(u32, u8)], places: &[u32; 256]) -> Vec<u8> {
    let mut packer = Packer::default();
    let mut written = 0;
    for (i, &(doc, _)) in list.iter().enumerate() {
        let one = ((doc - block.first) >> block.low) as usize + i;
        (written..one).for_each(|_| packer.push(0, 1));
        packer.push(1, 1);
        written = one + 1;
    }
    (written..block.front).for_each(|_| packer.push(0, 1));
    packer.align();
    list.iter().for_each(|&(doc, _)| packer.push(doc - block.first, block.low));
    for &(_, impact) in list {
        packer.push(places[usize::from(impact)], block.of_impacts);
    }
    packer.align();
    packer.bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_is_read_and_looked_up_as_written(
            docs in 1_500_u32..200_000, share in 1_u32..90, flat in any::<bool>(), seed in any::<u32>(),
        ) {
            let hash = |n: u32| (n ^ seed).wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b) >> 8;
            let mut list = (0..docs)
                .filter(|&doc| hash(doc) % 100 < share && (share > 50 || doc % 64 == 0))
                .map(|doc| (doc, if flat { 7 } else { (hash(doc) >> 8) as u8 % 40 }))
                .collect::<Vec<_>>();
            list.extend((list.len() < 2).then_some((docs - 1, 9)));
            list.insert(0, (0, 250));
            list.dedup_by_key(|posting| posting.0);
            let mut bytes = Vec::new();
            write(&mut bytes, docs, &list);
            let postings = Postings::read(docs, list.len(), &bytes);
            let mut read = Vec::new();
            postings.all(|doc, impact| read.push((doc, impact)));
            prop_assert_eq!(&read, &list);

            let mut best = Vec::new();
            postings.best(|doc, impact| best.push((doc, impact)));
            let rank = |&(doc, impact): &(u32, u8)| (std::cmp::Reverse(impact), doc);
            let mut expected = list.clone();
            expected.sort_by_key(rank);
            expected.truncate(best.len());
            best.sort_by_key(rank);
            prop_assert_eq!(best, expected);

            let step = 1 + seed % 50;
            let mut cursor = Postings::read(docs, list.len(), &bytes);
            for doc in (0..docs).step_by(step as usize) {
                let held = list.binary_search_by_key(&doc, |posting| posting.0).ok().map(|i| list[i].1);
                prop_assert_eq!(cursor.seek(doc), held, "{}", doc);
            }
        }

        #[test]
        fn no_bytes_panic_or_loop(bytes in prop::collection::vec(any::<u8>(), 0..2_000), docs in any::<u32>(), total in 0_usize..5_000) {
            let mut postings = Postings::read(docs, total, &bytes);
            postings.all(|doc, _| assert!(doc < docs));
            postings.best(|doc, _| assert!(doc < docs));
            for doc in [0, 1, 5, 1_000, docs / 2, docs.saturating_sub(1)] {
                postings.seek(doc);
            }
        }
    }
}
