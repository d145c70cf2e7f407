//! Why the answer is not another one.
//!
//! Owns naming near misses: signatures of which a part was found, and hits that did not stay. Does not own the
//! answer itself (`decide`).

use std::fmt;

use crate::{
    container::NearContainer,
    identification::{Basis, Identification},
    matcher::candidate::Candidate,
    model::Reference,
    signatures::Signatures,
};

/// An answer, and what came close to being part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The answer.
    pub identification: Identification,
    /// Signatures of which a part was found, those with most parts first; at most 50.
    pub near_misses: Vec<NearMiss>,
    /// Formats whose signature matched, and which are not in the answer.
    pub outranked: Vec<Outranked>,
}

/// A signature of which a part was found, but not all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearMiss {
    /// The formats that it stands for.
    pub puids: Vec<String>,
    /// The number that the signature file gives it.
    pub signature: u32,
    /// Begins and ends of the parts that were found.
    pub found: Vec<(u64, u64)>,
    /// What was not found: a byte sequence and where it was looked for, or entries of a container.
    pub missing: String,
}

/// A format whose signature matched, and which is not in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outranked {
    /// The format.
    pub puid: String,
    /// The format that has priority over it; `None` if what was found in the container replaced it.
    pub by: Option<String>,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let puids = self.puids.join(", ");
        write!(
            f,
            "{puids}: no {} (signature {})",
            self.missing, self.signature
        )
    }
}

/// What is noted on the way.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) refused: Vec<Candidate>,
    pub(crate) hits: Vec<u32>,
    pub(crate) near_containers: Vec<NearContainer>,
}

const MAX_NEAR_MISSES: usize = 50;

pub(crate) fn explain(
    signatures: &Signatures,
    identification: Identification,
    trace: Trace,
) -> Explanation {
    let mut near_misses: Vec<NearMiss> = trace
        .near_containers
        .into_iter()
        .map(|near| NearMiss {
            puids: near.puids,
            signature: near.id,
            found: Vec::new(),
            missing: format!("fitting entry {}", near.missing.join(", ")),
        })
        .collect();
    let mut refused = trace.refused;
    refused.retain(|candidate| !candidate.ranges.is_empty());
    refused.sort_by_key(|candidate| std::cmp::Reverse(candidate.ranges.len()));
    near_misses.extend(
        refused
            .into_iter()
            .map(|candidate| near_miss(signatures, candidate)),
    );
    near_misses.truncate(MAX_NEAR_MISSES);
    let outranked = trace
        .hits
        .iter()
        .filter_map(|hit| outranked(signatures, &identification, &trace.hits, *hit));
    Explanation {
        outranked: outranked.collect(),
        identification,
        near_misses,
    }
}

fn near_miss(signatures: &Signatures, candidate: Candidate) -> NearMiss {
    let prepared = &signatures.matcher.signatures[candidate.signature as usize];
    let puids = prepared.formats.iter();
    let missing = candidate
        .missing()
        .map_or_else(String::new, |(at, subsequence)| {
            let sequence = &prepared.sequences[at];
            let sub = &sequence.chains[subsequence].sub;
            let place = match (sequence.reference, subsequence) {
                (Reference::Start, 0) => distance(sub.min, sub.max, "start"),
                (Reference::End, _) => distance(sub.min, sub.max, "end"),
                (Reference::Anywhere, 0) => "anywhere".to_owned(),
                _ => "after what was found before".to_owned(),
            };
            let around = if sub.left.is_empty() && sub.right.is_empty() {
                ""
            } else {
                " with what belongs around it"
            };
            format!("{}{around} {place}", sub.anchor)
        });
    NearMiss {
        puids: puids
            .map(|format| signatures.formats[*format as usize].puid.clone())
            .collect(),
        signature: prepared.id,
        found: candidate.ranges,
        missing,
    }
}

fn distance(min: u32, max: u32, from: &str) -> String {
    match (min, max) {
        (0, 0) => format!("at the {from}"),
        (min, max) if min == max => format!("{min} bytes from the {from}"),
        (min, max) => format!("{min} to {max} bytes from the {from}"),
    }
}

fn outranked(
    signatures: &Signatures,
    answer: &Identification,
    hits: &[u32],
    hit: u32,
) -> Option<Outranked> {
    let format = &signatures.formats[hit as usize];
    if answer.matches.iter().any(|found| found.puid == format.puid) {
        return None;
    }
    let by = if answer
        .matches
        .iter()
        .any(|found| found.basis == Basis::Container)
    {
        None
    } else {
        let mut others = hits
            .iter()
            .map(|other| &signatures.formats[*other as usize]);
        others
            .find(|other| other.priority_over.contains(&format.id))
            .map(|other| other.puid.clone())
    };
    Some(Outranked {
        puid: format.puid.clone(),
        by,
    })
}
