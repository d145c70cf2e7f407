//! Along the chains: every event of every subject, in order.

use contract::{AnyId, EventId};
use uuid::Uuid;

use super::{Finding, Look, store};
use crate::{Error, checkpoints, events::chain};

/// Looks at all of them.
pub(super) async fn walk(look: &mut Look<'_>) -> Result<(), Error> {
    let mut last: Option<store::Link> = None;
    loop {
        let page = store::links(look.db, last.as_ref()).await?;
        if page.is_empty() {
            break;
        }
        let rows = page.len() as u64;
        waiting(look, &page).await?;
        for link in page {
            let before = last.as_ref().filter(|last| subject(last) == subject(&link));
            if before.is_none() {
                look.totals.subjects += 1;
            }
            follows(look, before, &link);
            last = Some(link);
        }
        look.totals.events += rows;
        look.went_on(rows);
    }
    look.totals.waiting += store::unchained(look.db).await?;
    let mut after = Uuid::nil();
    loop {
        let gone = store::removed_unsealed(look.db, after).await?;
        let Some(last) = gone.last() else { break };
        after = *last;
        for event in gone {
            let event = EventId(event);
            look.found(Finding::RemovedUnsealed { event });
        }
    }
    Ok(())
}

fn subject(link: &store::Link) -> (Uuid, &str) {
    (link.subject_id, &link.subject_type)
}

fn named(link: &store::Link) -> String {
    let (id, kind) = subject(link);
    AnyId::from_parts(kind, id).map_or_else(|| format!("{kind}_{id}"), |id| id.to_string())
}

fn follows(look: &mut Look<'_>, before: Option<&store::Link>, link: &store::Link) {
    let event = EventId(link.id);
    let expected = before.map_or(1, |before| before.sequence + 1);
    if link.sequence > expected {
        look.found(Finding::Gap {
            subject: named(link),
            missing: (expected, link.sequence - 1),
        });
    } else if link.sequence < expected {
        look.found(Finding::Doubled {
            event,
            subject: named(link),
        });
    } else if link.previous != before.and_then(|before| before.hash.clone()) {
        look.found(Finding::NotLinked {
            event,
            subject: named(link),
        });
    }
    if link.leaf.is_none() && link.pending.is_none() {
        look.found(Finding::Inserted {
            event,
            subject: named(link),
        });
    }
}

/// Events that are not in the tree yet have their own hash to show.
async fn waiting(look: &mut Look<'_>, page: &[store::Link]) -> Result<(), Error> {
    let ids: Vec<Uuid> = page
        .iter()
        .filter(|link| link.leaf.is_none())
        .map(|link| link.id)
        .collect();
    look.totals.waiting += ids.len() as u64;
    for row in checkpoints::store::by_ids(look.db, &ids).await?.values() {
        if row.hash.as_deref() != Some(&chain::hash(row)[..]) {
            look.found(Finding::Edited {
                event: EventId(row.id),
                subject: chain::subject(row),
                sequence: row.sequence,
            });
        }
    }
    Ok(())
}
