//! The open sockets of this process, by room.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Frames that wait for a slow reader before its socket is closed (Q-C2).
const QUEUE: usize = 256;

/// What a socket's task is told.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Send this text.
    Send(Arc<str>),
    /// Close: the person left the room.
    Leave,
}

/// Something that the sockets of other processes must hear too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Outgoing {
    /// A frame for a room, but not for the sender of a WebRTC signal.
    Frame {
        room: Uuid,
        except: Option<Uuid>,
        frame: String,
    },
    /// A person left a room.
    Expel { room: Uuid, user: Uuid },
}

/// All sockets of this process.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max_per_user: usize,
    next_id: AtomicU64,
    sockets: Mutex<Sockets>,
    bridge: Mutex<Option<mpsc::Sender<Outgoing>>>,
}

#[derive(Debug, Default)]
struct Sockets {
    rooms: HashMap<Uuid, HashMap<u64, Member>>,
    per_user: HashMap<Uuid, usize>,
}

#[derive(Debug)]
struct Member {
    user: Uuid,
    orders: mpsc::Sender<Order>,
}

/// A registered socket; dropping it takes the socket out.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Hub,
    room: Uuid,
    user: Uuid,
    id: u64,
    pub(crate) orders: mpsc::Receiver<Order>,
}

impl Hub {
    /// An empty hub; one person may have `max_per_user` sockets in it.
    pub(crate) fn new(max_per_user: usize) -> Self {
        Self(Arc::new(Inner {
            max_per_user,
            next_id: AtomicU64::new(1),
            sockets: Mutex::new(Sockets::default()),
            bridge: Mutex::new(None),
        }))
    }

    /// Registers a socket; `None` when the person has too many.
    pub(crate) fn join(&self, room: Uuid, user: Uuid) -> Option<Seat> {
        let (sender, orders) = mpsc::channel(QUEUE);
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let mut sockets = self.0.sockets.lock();
        let count = sockets.per_user.entry(user).or_default();
        if *count >= self.0.max_per_user {
            return None;
        }
        *count += 1;
        sockets.rooms.entry(room).or_default().insert(
            id,
            Member {
                user,
                orders: sender,
            },
        );
        metrics::gauge!("chat_sockets").increment(1.0);
        Some(Seat {
            hub: self.clone(),
            room,
            user,
            id,
            orders,
        })
    }

    /// Tells every socket of the room, here and in the other processes.
    pub(crate) fn tell_room(&self, room: Uuid, except: Option<Uuid>, frame: Value) {
        let frame: Arc<str> = frame.to_string().into();
        self.tell_here(room, except, &frame);
        self.tell_elsewhere(Outgoing::Frame {
            room,
            except,
            frame: frame.to_string(),
        });
    }

    fn tell_elsewhere(&self, outgoing: Outgoing) {
        if let Some(bridge) = self.0.bridge.lock().as_ref()
            && bridge.try_send(outgoing).is_err()
        {
            // Messages are durable: clients find them in the room's history.
            metrics::counter!("chat_bridge_dropped_total").increment(1);
        }
    }

    /// Does here what another process did.
    pub(crate) fn hear(&self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Frame {
                room,
                except,
                frame,
            } => self.tell_here(room, except, &Arc::from(frame)),
            Outgoing::Expel { room, user } => self.expel_here(room, user),
        }
    }

    /// Tells the sockets of the room in this process. A reader that is too slow is let go.
    fn tell_here(&self, room: Uuid, except: Option<Uuid>, frame: &Arc<str>) {
        let mut sockets = self.0.sockets.lock();
        let Some(members) = sockets.rooms.get_mut(&room) else {
            return;
        };
        members.retain(|_, member| {
            Some(member.user) == except
                || member
                    .orders
                    .try_send(Order::Send(Arc::clone(frame)))
                    .is_ok()
        });
    }

    /// Closes a person's sockets in a room, in every process.
    pub(crate) fn expel(&self, room: Uuid, user: Uuid) {
        self.expel_here(room, user);
        self.tell_elsewhere(Outgoing::Expel { room, user });
    }

    fn expel_here(&self, room: Uuid, user: Uuid) {
        if let Some(members) = self.0.sockets.lock().rooms.get(&room) {
            for member in members.values().filter(|member| member.user == user) {
                let _ = member.orders.try_send(Order::Leave);
            }
        }
    }

    /// Gives the hub its way to the other processes; false when it has one.
    pub(crate) fn connect_bridge(&self, bridge: mpsc::Sender<Outgoing>) -> bool {
        let mut slot = self.0.bridge.lock();
        if slot.is_some() {
            return false;
        }
        *slot = Some(bridge);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sockets = self.hub.0.sockets.lock();
        if let Some(members) = sockets.rooms.get_mut(&self.room) {
            members.remove(&self.id);
            if members.is_empty() {
                sockets.rooms.remove(&self.room);
            }
        }
        if let Some(count) = sockets.per_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                sockets.per_user.remove(&self.user);
            }
        }
        metrics::gauge!("chat_sockets").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn q_c2_a_person_has_a_bounded_number_of_sockets() {
        let hub = Hub::new(2);
        let (room, user) = (Uuid::now_v7(), Uuid::now_v7());
        let first = hub.join(room, user).unwrap();
        let _second = hub.join(room, user).unwrap();
        assert!(hub.join(room, user).is_none());
        assert!(hub.join(room, Uuid::now_v7()).is_some());
        drop(first);
        assert!(hub.join(room, user).is_some());
    }

    #[test]
    fn q_c2_a_reader_that_is_too_slow_is_let_go() {
        let hub = Hub::new(5);
        let room = Uuid::now_v7();
        let mut slow = hub.join(room, Uuid::now_v7()).unwrap();
        for n in 0..=QUEUE {
            hub.tell_room(room, None, json!(n));
        }
        let mut received = 0;
        while let Ok(order) = slow.orders.try_recv() {
            assert!(matches!(order, Order::Send(_)));
            received += 1;
        }
        assert_eq!(received, QUEUE);
        assert!(matches!(
            slow.orders.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
    }

    #[test]
    fn a_signal_reaches_everyone_but_its_sender() {
        let hub = Hub::new(5);
        let (room, sender) = (Uuid::now_v7(), Uuid::now_v7());
        let mut own = hub.join(room, sender).unwrap();
        let mut other = hub.join(room, Uuid::now_v7()).unwrap();
        let mut elsewhere = hub.join(Uuid::now_v7(), Uuid::now_v7()).unwrap();
        hub.tell_room(room, Some(sender), json!({"x": 1}));
        assert!(own.orders.try_recv().is_err());
        assert!(elsewhere.orders.try_recv().is_err());
        assert!(matches!(other.orders.try_recv(), Ok(Order::Send(text)) if &*text == "{\"x\":1}"));
    }
}
