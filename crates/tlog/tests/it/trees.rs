//! Trees and proofs.

use proptest::prelude::*;
use tlog::{Hash, consistency, inclusion, verify_consistency, verify_inclusion};

use super::{Tree, numbered};

/// The entries of the test tree of RFC 6962's reference implementation (certificate-transparency,
/// `merkle_tree_test.cc`), which RFC 9162's examples and every other implementation use.
const ENTRIES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn published(size: usize) -> Tree {
    Tree::of(ENTRIES[..size].iter().map(|hex| hex::decode(hex).unwrap()))
}

#[test]
fn the_published_trees_have_the_published_roots() {
    let empty = hex::encode(Tree::default().frontier.root());
    assert_eq!(
        empty,
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(hex::encode(published(size).frontier.root()), root, "{size}");
    }
}

#[test]
fn the_published_proofs_are_the_published_hashes() {
    let tree = published(8);
    let hexes = |hashes: Vec<Hash>| hashes.iter().map(hex::encode).collect::<Vec<_>>();
    assert_eq!(
        hexes(tree.hashes(inclusion(0, 8))),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        hexes(tree.hashes(consistency(6, 8))),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn every_leaf_of_every_tree_up_to_64_is_shown_to_be_in_it() {
    for size in 0..=64 {
        let tree = numbered(size);
        let root = tree.frontier.root();
        assert_eq!(inclusion(size, size), None);
        for index in 0..size {
            let proof = tree.hashes(inclusion(index, size));
            let leaf = tlog::leaf(&index.to_be_bytes());
            verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
            for wrong in (0..size).filter(|other| *other != index) {
                verify_inclusion(&leaf, wrong, size, &proof, &root).unwrap_err();
            }
        }
    }
}

#[test]
fn every_tree_up_to_64_is_shown_to_begin_with_every_smaller_one() {
    let trees: Vec<Tree> = (0..=64).map(numbered).collect();
    for (new_size, new) in (0_u64..).zip(&trees) {
        for (old_size, old) in (0_u64..=new_size).zip(&trees) {
            let proof = new.hashes(consistency(old_size, new_size));
            let (before, after) = (old.frontier.root(), new.frontier.root());
            verify_consistency(old_size, &before, new_size, &after, &proof).unwrap();
            let other = verify_consistency(old_size, &[7; 32], new_size, &after, &proof);
            assert!(other.is_err(), "{old_size} {new_size}");
            if old_size < new_size && old_size > 0 {
                verify_consistency(old_size, &before, new_size, &[7; 32], &proof).unwrap_err();
            }
        }
        assert_eq!(consistency(new_size + 1, new_size), None);
    }
}

proptest! {
    #[test]
    fn any_changed_bit_fails(size in 1_u64..300, place: prop::sample::Index, bit in 0_usize..256, what: prop::sample::Index) {
        let index = place.index(usize::try_from(size).unwrap()) as u64;
        let tree = numbered(size);
        let mut hashes = tree.hashes(inclusion(index, size));
        hashes.push(tree.frontier.root());
        hashes.push(tlog::leaf(&index.to_be_bytes()));
        let changed = what.index(hashes.len());
        hashes[changed][bit / 8] ^= 1 << (bit % 8);
        let (leaf, root) = (hashes.pop().unwrap(), hashes.pop().unwrap());
        prop_assert!(verify_inclusion(&leaf, index, size, &hashes, &root).is_err());
    }

    #[test]
    fn any_changed_bit_of_a_consistency_proof_fails(old in 1_u64..200, more in 1_u64..200, bit in 0_usize..256, what: prop::sample::Index) {
        let new = numbered(old + more);
        let mut hashes = new.hashes(consistency(old, old + more));
        hashes.push(numbered(old).frontier.root());
        hashes.push(new.frontier.root());
        let changed = what.index(hashes.len());
        hashes[changed][bit / 8] ^= 1 << (bit % 8);
        let (after, before) = (hashes.pop().unwrap(), hashes.pop().unwrap());
        prop_assert!(verify_consistency(old, &before, old + more, &after, &hashes).is_err());
    }

    #[test]
    fn whatever_is_given_as_a_proof_is_an_error_and_no_panic(index: u64, size: u64, old: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..80)) {
        prop_assert!(verify_inclusion(&[0; 32], index, size, &proof, &[1; 32]).is_err());
        prop_assert!(verify_consistency(old, &[0; 32], size, &[1; 32], &proof).is_err());
        let _ = (inclusion(index, size).map(|path| path.len()), consistency(old, size).map(|path| path.len()));
    }
}
