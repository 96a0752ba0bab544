//! Tells a worker's connections that the process stops.
//!
//! Every connection asks at each of its turns, several times per request. A shared cancellation token takes two locks
//! for that, between all workers; a worker's own flag takes none.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One worker's word that its connections are to end.
#[derive(Debug, Default)]
pub struct Closing {
    said: Cell<bool>,
    next: Cell<u64>,
    waiting: RefCell<HashMap<u64, Waker>>,
}

impl Closing {
    /// Tells all that wait, and all that come.
    pub fn say(&self) {
        self.said.set(true);
        for (_, waker) in self.waiting.take() {
            waker.wake();
        }
    }

    /// Ready once it was said.
    pub fn heard(self: &Rc<Self>) -> Heard {
        Heard {
            closing: Rc::clone(self),
            place: None,
        }
    }
}

/// Waits for [`Closing::say`], in one task from its first turn on: a connection is driven by no other.
#[derive(Debug)]
pub struct Heard {
    closing: Rc<Closing>,
    place: Option<u64>,
}

impl Future for Heard {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.closing.said.get() {
            return Poll::Ready(());
        }
        if self.place.is_none() {
            let place = self.closing.next.get();
            self.closing.next.set(place + 1);
            let waker = context.waker().clone();
            self.closing.waiting.borrow_mut().insert(place, waker);
            self.place = Some(place);
        }
        Poll::Pending
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.closing.waiting.borrow_mut().remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn who_waits_and_who_comes_later_are_told_and_who_left_is_forgotten() {
        let closing = Rc::new(Closing::default());
        let waits = actix_web::rt::spawn(closing.heard());
        let mut left = closing.heard();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut left).poll(&mut context).is_pending());
        tokio::task::yield_now().await;
        assert_eq!(closing.waiting.borrow().len(), 2);
        drop(left);
        assert_eq!(closing.waiting.borrow().len(), 1);
        closing.say();
        waits.await.unwrap();
        closing.heard().await;
        assert!(closing.waiting.borrow().is_empty());
    }
}
