//! Work on many threads whose results come in the order of the items.
//!
//! Always: no more than [`WINDOW`] results wait for a slow one before them; a panic in the work ends
//! it and is passed on.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

const WINDOW: usize = 1024;

/// What the threads share.
struct Queue<I> {
    items: I,
    taken: usize,
    told: usize,
    ended: bool,
}

/// Does `work` on each item and hands the results to `each`, until there are no more items or
/// `each` fails.
pub(super) fn in_order<T, R, E>(
    items: impl Iterator<Item = T> + Send,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
    mut each: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    R: Send,
{
    let queue = Mutex::new(Queue {
        items,
        taken: 0,
        told: 0,
        ended: false,
    });
    let room = Condvar::new();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (sender, queue, room, work) = (sender.clone(), &queue, &room, &work);
            scope.spawn(move || {
                let _ends = EndsWithPanic { queue, room };
                while let Some((number, item)) = take(queue, room) {
                    if sender.send((number, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut result = Ok(());
        for (number, done) in &receiver {
            early.insert(number, done);
            while let Some(done) = early.remove(&next) {
                next += 1;
                result = each(done);
                if result.is_err() {
                    break;
                }
            }
            let mut queue = lock(&queue);
            queue.told = next;
            queue.ended |= result.is_err();
            room.notify_all();
            if queue.ended {
                break;
            }
        }
        result
    })
}

/// Ends the work of the others when its thread panics: they would wait for its result for ever.
struct EndsWithPanic<'a, I> {
    queue: &'a Mutex<Queue<I>>,
    room: &'a Condvar,
}

impl<I> Drop for EndsWithPanic<'_, I> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.queue).ended = true;
            self.room.notify_all();
        }
    }
}

fn take<T>(queue: &Mutex<Queue<impl Iterator<Item = T>>>, room: &Condvar) -> Option<(usize, T)> {
    let full = |queue: &mut Queue<_>| queue.taken >= queue.told + WINDOW && !queue.ended;
    let mut queue = room
        .wait_while(lock(queue), full)
        .unwrap_or_else(PoisonError::into_inner);
    if queue.ended {
        return None;
    }
    let item = queue.items.next()?;
    let number = queue.taken;
    queue.taken += 1;
    Some((number, item))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_whatever_finishes_first() {
        // The first item ends only after another thread has done the second.
        let met = Barrier::new(2);
        let mut told = Vec::new();
        let work = |number: usize| {
            if number < 2 {
                met.wait();
            }
            number
        };
        let result: Result<(), ()> = in_order(0..5_000, 4, work, |number| {
            told.push(number);
            Ok(())
        });
        assert_eq!(result, Ok(()));
        assert!(told.iter().copied().eq(0..5_000));
    }

    #[test]
    fn a_slow_item_holds_back_a_bounded_number_of_others() {
        let done = AtomicUsize::new(0);
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let work = |number: usize| {
            if number == 0 {
                let _ = lock(&released).recv();
            } else if done.fetch_add(1, Ordering::SeqCst) == WINDOW - 2 {
                // Everything in the window but the slow one is done.
                let _ = release.send(());
            }
        };
        let mut most = 0;
        let result: Result<(), ()> = in_order(0..10_000, 4, work, |()| {
            most = most.max(done.load(Ordering::SeqCst));
            Ok(())
        });
        assert_eq!(result, Ok(()));
        assert_eq!(done.into_inner(), 9_999);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_the_work_ends_it_and_is_passed_on() {
        let work = |number: usize| assert!(number != 7, "the work itself is broken");
        let _: Result<(), ()> = in_order(0..10_000, 4, work, |()| Ok(()));
    }

    #[test]
    fn a_failure_ends_the_work() {
        let done = AtomicUsize::new(0);
        let work = |_| done.fetch_add(1, Ordering::SeqCst);
        let result = in_order(0..1_000_000, 4, work, |_| Err("no"));
        assert_eq!(result, Err("no"));
        assert!(done.into_inner() <= 2 * WINDOW);
    }
}
