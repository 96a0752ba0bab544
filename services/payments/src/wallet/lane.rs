//! Calls that want the same thing one after the other, in this process.
//!
//! A lane lives as long as somebody is in it. Who finds none begins at once, alone; who comes meanwhile waits. When the
//! turn is given back, all that wait go together; one that waits alone gets the turn and does as the first did. Nobody is
//! left waiting: a turn is given back by being dropped, and whoever hears nothing goes alone.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::oneshot};

/// So many go together at most: one transaction locks the wallet no longer than a statement may take.
pub(super) const TOGETHER: usize = 32;
/// So many wait in a lane at most.
pub(super) const WAITING: usize = 1_024;

/// A call that can be run together with others of its lane.
pub(super) trait Gather: Send + Sync + Sized + 'static {
    /// What the calls of a lane have in common.
    type Lane: Clone + Eq + Hash + Send + 'static;
    /// What a caller is told.
    type Answer: Send + 'static;
    /// How long one waits for its turn at most.
    const PATIENCE: Duration;

    /// Its lane.
    fn lane(&self) -> Self::Lane;

    /// Runs calls of one lane, in the order of their arrival. Answers each in that order; `None` has to go alone.
    fn together(
        calls: Vec<Arc<Self>>,
    ) -> impl Future<Output = Vec<Option<Self::Answer>>> + Send + 'static;
}

/// All lanes of a process that somebody is in.
pub(super) struct Lanes<C: Gather>(Arc<Mutex<HashMap<C::Lane, Queue<C>>>>);

type Queue<C> = VecDeque<Waiting<C>>;

struct Waiting<C: Gather> {
    call: Arc<C>,
    word: oneshot::Sender<Word<C>>,
}

/// What a waiting caller hears.
pub(super) enum Word<C: Gather> {
    /// It was run together with others.
    Answer(C::Answer),
    /// It is its turn.
    Turn(Turn<C>),
}

/// Where a call stands in its lane.
pub(super) enum Place<C: Gather> {
    /// Nobody was there: it goes at once.
    First(Turn<C>),
    /// Others were there.
    Behind(Behind<C>),
    /// Too many are there.
    Full,
}

impl<C: Gather> Default for Lanes<C> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<C: Gather> Clone for Lanes<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Gather> Lanes<C> {
    /// Takes a place in the call's lane.
    pub(super) fn enter(&self, call: &Arc<C>) -> Place<C> {
        match self.0.lock().entry(call.lane()) {
            Entry::Vacant(free) => {
                let lane = free.key().clone();
                free.insert(VecDeque::new());
                Place::First(Turn {
                    lanes: self.clone(),
                    lane,
                })
            }
            Entry::Occupied(taken) if taken.get().len() >= WAITING => Place::Full,
            Entry::Occupied(mut taken) => {
                let (word, hears) = oneshot::channel();
                let call = Arc::clone(call);
                taken.get_mut().push_back(Waiting {
                    call: Arc::clone(&call),
                    word,
                });
                let lanes = self.clone();
                Place::Behind(Behind { lanes, call, hears })
            }
        }
    }

    /// How many wait in all lanes.
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().values().map(VecDeque::len).sum()
    }

    /// Those whose turn it is; with nobody left the lane is gone.
    fn next(&self, lane: &C::Lane) -> Vec<Waiting<C>> {
        let mut lanes = self.0.lock();
        let mut next = Vec::new();
        let Some(queue) = lanes.get_mut(lane) else {
            return next;
        };
        while next.len() < TOGETHER
            && let Some(waiting) = queue.pop_front()
        {
            // A caller who has gone is passed over.
            if !waiting.word.is_closed() {
                next.push(waiting);
            }
        }
        if next.is_empty() {
            lanes.remove(lane);
        }
        next
    }

    /// Takes a call that still waits out of its lane; `false` when its turn has come.
    fn leave(&self, call: &Arc<C>) -> bool {
        let mut lanes = self.0.lock();
        let Some(queue) = lanes.get_mut(&call.lane()) else {
            return false;
        };
        let place = queue.iter().position(|it| Arc::ptr_eq(&it.call, call));
        place.is_some_and(|place| queue.remove(place).is_some())
    }
}

/// The right to go in a lane. It passes to those that wait when it is dropped, however that comes about.
pub(super) struct Turn<C: Gather> {
    lanes: Lanes<C>,
    lane: C::Lane,
}

impl<C: Gather> Drop for Turn<C> {
    fn drop(&mut self) {
        let mut next = self.lanes.next(&self.lane);
        let turn = || Turn {
            lanes: self.lanes.clone(),
            lane: self.lane.clone(),
        };
        match (next.len(), Handle::try_current()) {
            (0, _) => {}
            (1, _) => {
                let alone = next.remove(0);
                // A caller who went this moment drops the turn, and it passes on.
                drop(alone.word.send(Word::Turn(turn())));
            }
            (_, Ok(runtime)) => drop(runtime.spawn(run(turn(), next))),
            // The process ends; those that still live go alone.
            (_, Err(_)) => drop((next, turn())),
        }
    }
}

/// Runs to its end whatever becomes of the callers; when it panics, the callers hear nothing and go alone.
async fn run<C: Gather>(turn: Turn<C>, waiting: Vec<Waiting<C>>) {
    let calls = waiting.iter().map(|it| Arc::clone(&it.call)).collect();
    let answers = C::together(calls).await;
    for (waiting, answer) in waiting.into_iter().zip(answers) {
        if let Some(answer) = answer {
            // Whoever has gone asks again by the same key.
            drop(waiting.word.send(Word::Answer(answer)));
        }
    }
    drop(turn);
}

/// A call that waits for its turn.
pub(super) struct Behind<C: Gather> {
    lanes: Lanes<C>,
    call: Arc<C>,
    hears: oneshot::Receiver<Word<C>>,
}

impl<C: Gather> Behind<C> {
    /// Waits for its turn, or for the answer; `None` has to go alone.
    ///
    /// # Errors
    /// [`TooLong`]: it has left the lane, and nothing was done.
    pub(super) async fn word(mut self) -> Result<Option<Word<C>>, TooLong> {
        match tokio::time::timeout(C::PATIENCE, &mut self.hears).await {
            Ok(word) => Ok(word.ok()),
            Err(_) if self.lanes.leave(&self.call) => Err(TooLong),
            // It is being run: how that ends is the answer.
            Err(_) => Ok(self.hears.await.ok()),
        }
    }
}

/// The turn did not come within [`Gather::PATIENCE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

#[cfg(test)]
mod tests;
