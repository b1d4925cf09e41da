//! What waits for a face: in order, and not more than there is room for.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

use talaria_api::{Code, Event, Trouble};
use tokio::sync::Notify;

/// Events that may wait: those of about a day.
const EVENTS_MAX: usize = 65_536;
/// Bytes that they may hold.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// What waits for one face.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Adds an event, without ever waiting. A face that has left no room is told nothing more.
    pub(super) fn push(&self, event: Event) {
        self.lock().push(event);
        self.news.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
    }

    /// The next event; `None` after the last one. Dropping the future loses nothing.
    pub(super) async fn pop(&self) -> Option<Event> {
        loop {
            {
                let mut waiting = self.lock();
                let event = waiting.pop();
                if event.is_some() || waiting.closed {
                    return event;
                }
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every step leaves what waits in order.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, event: Event) {
        if self.closed {
            return;
        }
        if self.is_full(&event) {
            self.thin_out();
        }
        if self.is_full(&event) {
            let why = "too much has happened that was not taken: what was said is kept";
            let behind = Trouble::new(Code::FellBehind, why.to_owned());
            self.events.push_back(Event::Error(Trouble { fatal: true, ..behind }));
            self.closed = true;
            return;
        }
        self.bytes += weight(&event);
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight(&event));
        Some(event)
    }

    fn is_full(&self, next: &Event) -> bool {
        self.events.len() >= EVENTS_MAX || self.bytes + weight(next) > BYTES_MAX
    }

    /// Forgets what newer events make worthless.
    fn thin_out(&mut self) {
        let passing = |event: &Event| matches!(event, Event::Round { .. } | Event::Progress { .. });
        self.events.retain(|event| !passing(event));
        self.bytes = self.events.iter().map(weight).sum();
    }
}

/// Bytes that an event holds, about.
fn weight(event: &Event) -> usize {
    let text = match event {
        Event::Message { text, .. } | Event::Repeated { text, .. } => text.0.len(),
        Event::Error(trouble) => trouble.message.len(),
        Event::Budget { message, .. } => message.len(),
        Event::MayBeLost { ids, message, .. } => message.len() + size_of_val(&ids[..]),
        _ => 0,
    };
    size_of::<Event>() + text
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_api::{Outcome, Text};

    fn message(number: u32, len: usize) -> Event {
        Event::Message {
            id: number,
            from: "bob".to_owned(),
            text: Text("x".repeat(len)),
            round: 1,
            sent_ms: 0,
            conversation: "bob".to_owned(),
            number,
        }
    }

    async fn all(queue: &Queue) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = queue.pop().await {
            events.push(event);
        }
        events
    }

    #[tokio::test]
    async fn events_come_in_order_and_end_when_it_is_closed() {
        let queue = Queue::default();
        for number in 0..3 {
            queue.push(message(number, 1));
        }
        queue.close();
        queue.push(message(3, 1));
        assert_eq!(all(&queue).await, [message(0, 1), message(1, 1), message(2, 1)]);
        assert_eq!(queue.lock().bytes, 0);
    }

    #[tokio::test]
    async fn rounds_give_way_to_what_is_said() {
        let queue = Queue::default();
        queue.push(message(0, 1));
        for round in 0..2 * EVENTS_MAX as u64 {
            queue.push(Event::Round { round, outcome: Outcome::Late, latency_ms: 1 });
            assert!(queue.lock().events.len() <= EVENTS_MAX);
        }
        queue.push(message(1, 1));
        queue.close();
        let said = all(&queue).await.into_iter().filter(|e| matches!(e, Event::Message { .. }));
        assert_eq!(said.collect::<Vec<_>>(), [message(0, 1), message(1, 1)]);
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_so_and_costs_no_more() {
        let queue = Queue::default();
        for number in 0..2000 {
            queue.push(message(number, 65_536));
            assert!(queue.lock().bytes <= BYTES_MAX);
        }
        assert!(queue.lock().closed, "there is no place for all of them");
        let events = all(&queue).await;
        assert!(events.len() < 2000);
        let (last, before) = events.split_last().unwrap();
        assert!(matches!(last, Event::Error(t) if t.code == Code::FellBehind && t.fatal));
        // Without a gap, so that nothing is taken for shown that was not.
        for (number, event) in (0..).zip(before) {
            assert_eq!(*event, message(number, 65_536));
        }
    }
}
