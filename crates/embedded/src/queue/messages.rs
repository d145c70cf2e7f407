//! The messages of a queue in memory, without any waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use runtime::queue::{Outgoing, Receipt, Received};

type MessageId = u64;
type Group = Option<String>;

/// One delivery of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    message: MessageId,
    delivery: u32,
}

impl Lease {
    fn receipt(self) -> Receipt {
        Receipt::new(format!("{}.{}", self.message, self.delivery))
    }

    pub(super) fn read(receipt: &Receipt) -> Option<Self> {
        let (message, delivery) = receipt.as_str().split_once('.')?;
        Some(Self {
            message: message.parse().ok()?,
            delivery: delivery.parse().ok()?,
        })
    }
}

#[derive(Debug)]
struct Message {
    body: String,
    group: Group,
    deliveries: u32,
    hidden_until: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    last_id: MessageId,
    all: HashMap<MessageId, Message>,
    /// The messages of each group that can be received, the oldest first. No group is empty.
    visible: HashMap<Group, VecDeque<MessageId>>,
    /// The groups of `visible`, each once, in the order in which they take turns.
    turns: VecDeque<Group>,
    /// When hidden messages come back.
    hidden: BTreeSet<(Duration, MessageId)>,
}

impl Messages {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn add(&mut self, message: &Outgoing) {
        self.last_id += 1;
        let message = Message {
            body: message.body.clone(),
            group: message.group.clone(),
            deliveries: 0,
            hidden_until: None,
        };
        let group = message.group.clone();
        self.all.insert(self.last_id, message);
        self.show(self.last_id, group);
    }

    /// Up to `max` messages, one group after the other, hidden `until` then.
    pub(super) fn take(&mut self, max: usize, now: Duration, until: Duration) -> Vec<Received> {
        self.bring_back(now);
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(id) = self.next()
        {
            let Some(message) = self.all.get_mut(&id) else {
                continue;
            };
            message.deliveries = message.deliveries.saturating_add(1);
            message.hidden_until = Some(until);
            self.hidden.insert((until, id));
            let lease = Lease {
                message: id,
                delivery: message.deliveries,
            };
            taken.push(Received {
                receipt: lease.receipt(),
                body: message.body.clone(),
                receive_count: message.deliveries,
            });
        }
        taken
    }

    /// The oldest message of the group whose turn it is; the group then waits for its next.
    fn next(&mut self) -> Option<MessageId> {
        let group = self.turns.pop_front()?;
        let waiting = self.visible.get_mut(&group)?;
        let id = waiting.pop_front();
        if waiting.is_empty() {
            self.visible.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        id
    }

    fn show(&mut self, id: MessageId, group: Group) {
        let waiting = self.visible.entry(group.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(group);
        }
        waiting.push_back(id);
    }

    fn bring_back(&mut self, now: Duration) {
        while let Some(&(until, id)) = self.hidden.first()
            && until <= now
        {
            self.hidden.pop_first();
            if let Some(message) = self.all.get_mut(&id) {
                message.hidden_until = None;
                let group = message.group.clone();
                self.show(id, group);
            }
        }
    }

    pub(super) fn next_return(&self) -> Option<Duration> {
        self.hidden.first().map(|(until, _)| *until)
    }

    /// Whether the message was still hidden by this delivery.
    pub(super) fn extend(&mut self, lease: Lease, now: Duration, until: Duration) -> bool {
        self.bring_back(now);
        let Some(message) = self.all.get_mut(&lease.message) else {
            return false;
        };
        let Some(hidden) = message.hidden_until else {
            return false;
        };
        if message.deliveries != lease.delivery {
            return false;
        }
        message.hidden_until = Some(until);
        self.hidden.remove(&(hidden, lease.message));
        self.hidden.insert((until, lease.message));
        self.bring_back(now);
        true
    }

    /// Deletes a message unless it has been delivered again since.
    pub(super) fn delete(&mut self, lease: Lease) {
        let current = self.all.get(&lease.message);
        if current.is_none_or(|message| message.deliveries != lease.delivery) {
            return;
        }
        let Some(message) = self.all.remove(&lease.message) else {
            return;
        };
        match message.hidden_until {
            Some(until) => {
                self.hidden.remove(&(until, lease.message));
            }
            None => self.hide(lease.message, &message.group),
        }
    }

    fn hide(&mut self, id: MessageId, group: &Group) {
        let Some(waiting) = self.visible.get_mut(group) else {
            return;
        };
        waiting.retain(|other| *other != id);
        if waiting.is_empty() {
            self.visible.remove(group);
            self.turns.retain(|other| other != group);
        }
    }

    /// How many can be received, and how many are hidden.
    pub(super) fn count(&mut self, now: Duration) -> (u64, u64) {
        self.bring_back(now);
        let hidden = self.hidden.len();
        ((self.all.len() - hidden) as u64, hidden as u64)
    }
}
