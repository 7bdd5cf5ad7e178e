use super::TreeHash;

/// Every so many levels the nodes are kept: one row for each 256 below.
pub(crate) const LEVELS_APART: u32 = 8;

/// A node whose subtree is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    /// In steps of `LEVELS_APART`.
    pub level: u32,
    /// From 0, left to right.
    pub number: u64,
    pub hash: TreeHash,
}

/// The right edge of a tree: the roots of its whole subtrees, the largest first. A leaf is added,
/// and the root made, in a number of steps that grows with the logarithm of the size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<(u32, TreeHash)>,
}

impl Frontier {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; tells of each node that becomes whole and is to be kept.
    pub(crate) fn push(&mut self, leaf: TreeHash, keep: &mut impl FnMut(Node)) {
        self.push_subtree(0, leaf, keep);
    }

    /// Adds a whole subtree of 2^level leaves. The size before must be a multiple of that.
    pub(crate) fn push_subtree(&mut self, level: u32, hash: TreeHash, keep: &mut impl FnMut(Node)) {
        debug_assert_eq!(self.size % (1 << level), 0, "a subtree begins at a multiple of its size");
        self.size += 1 << level;
        let (mut level, mut hash) = (level, hash);
        while let Some((below, left)) = self.peaks.last().copied().filter(|(l, _)| *l == level) {
            self.peaks.pop();
            hash = TreeHash::node(&left, &hash);
            level = below + 1;
            if level.is_multiple_of(LEVELS_APART) {
                let number = (self.size >> level) - 1;
                keep(Node { level: level / LEVELS_APART, number, hash });
            }
        }
        self.peaks.push((level, hash));
    }

    /// The root. RFC 9162, 2.1.1.
    pub(crate) fn root(&self) -> TreeHash {
        let mut peaks = self.peaks.iter().rev();
        let Some((_, smallest)) = peaks.next() else { return TreeHash::empty() };
        peaks.fold(*smallest, |right, (_, left)| TreeHash::node(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// MTH as RFC 9162, 2.1.1 defines it.
    fn mth(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash::empty(),
            [one] => *one,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                TreeHash::node(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    fn leaves(count: u64) -> Vec<TreeHash> {
        (0..count).map(|n| TreeHash::leaf(&n.to_be_bytes())).collect()
    }

    /// The inputs and roots that Certificate Transparency implementations share.
    #[test]
    fn known_answers() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
                .collect()
        };
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();

        for (input, root) in inputs.iter().zip(&roots) {
            assert_eq!(frontier.root().0.as_slice(), hex(root));
            frontier.push(TreeHash::leaf(&hex(input)), &mut |_| ());
        }

        assert_eq!(frontier.root().0.as_slice(), hex(roots[8]));
    }

    #[test]
    fn every_small_tree_is_as_defined() {
        let leaves = leaves(600);
        let mut frontier = Frontier::default();
        let mut kept = Vec::new();
        for n in 0..leaves.len() {
            assert_eq!(frontier.root(), mth(&leaves[..n]), "{n}");
            frontier.push(leaves[n], &mut |node| kept.push(node));
        }

        let node = |number, range: std::ops::Range<usize>| Node {
            level: 1,
            number,
            hash: mth(&leaves[range]),
        };
        assert_eq!(kept, [node(0, 0..256), node(1, 256..512)]);
    }

    proptest! {
        /// Whole subtrees may be added in place of their leaves.
        #[test]
        fn subtrees_stand_for_their_leaves(size in 1u64..3000, level in 0u32..9) {
            let leaves = leaves(size);
            let mut frontier = Frontier::default();
            let step = 1usize << level;
            for part in leaves.chunks(step) {
                if part.len() == step {
                    frontier.push_subtree(level, mth(part), &mut |_| ());
                } else {
                    for leaf in part {
                        frontier.push(*leaf, &mut |_| ());
                    }
                }
            }
            prop_assert_eq!(frontier.size(), size);
            prop_assert_eq!(frontier.root(), mth(&leaves));
        }
    }
}
