//! Output that nobody has to read: lines go to a thread of their own, which may wait for a reader
//! as long as it likes; who writes never waits, and is never told of an error.
//!
//! A log pipe whose other end is gone, a full disk or a stopped terminal must not stop a round. What
//! there is no room for is lost, and counted: the count is written once somebody reads again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that wait for a reader.
const MAX_WAITING: usize = 1024;
/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How often it is tried again whether there is room.
const NAP: Duration = Duration::from_millis(10);

/// Where lines go. All copies write to the same place.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    parcels: SyncSender<Parcel>,
    lost: Arc<AtomicU64>,
}

enum Parcel {
    Lines(Vec<u8>),
    /// Everything before it has been written once this is dropped.
    Mark(#[expect(dead_code, reason = "only its being dropped counts")] SyncSender<()>),
}

impl Sink {
    /// Begins to write to `stream`; `of_lost` makes a line of the number of lines that were lost.
    pub(super) fn of(stream: BorrowedFd<'_>, of_lost: fn(u64) -> String) -> Self {
        // A stream that was closed before the program began takes nothing, which is all right.
        let out = stream.try_clone_to_owned().map(File::from).ok();
        Self::to(
            move |bytes| out.as_ref().is_none_or(|mut out| out.write_all(bytes).is_ok()),
            of_lost,
        )
    }

    /// The same with a function that says whether the bytes were taken.
    fn to(write: impl FnMut(&[u8]) -> bool + Send + 'static, of_lost: fn(u64) -> String) -> Self {
        let (parcels, waiting) = sync_channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { write, of_lost, lost: lost.clone(), torn: false };
        let began = thread::Builder::new().name("sink".into()).spawn(move || writer.run(&waiting));
        // Without a thread all lines are lost, and the rounds go on.
        drop(began);
        Self { parcels, lost }
    }

    /// Takes whole lines, or loses them.
    pub(super) fn put(&self, lines: Vec<u8>) {
        if self.parcels.try_send(Parcel::Lines(lines)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for a moment until everything has been written.
    pub(super) fn finish(&self) {
        let deadline = Instant::now() + LAST_LINES;
        let (mark, written) = sync_channel(0);
        let mut parcel = Parcel::Mark(mark);
        while let Err(TrySendError::Full(again)) = self.parcels.try_send(parcel) {
            if Instant::now() >= deadline {
                return;
            }
            parcel = again;
            thread::sleep(NAP);
        }
        // Nothing is ever sent: it ends with the mark.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// One call is one event of the log.
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread's part.
struct Writer<W> {
    write: W,
    of_lost: fn(u64) -> String,
    lost: Arc<AtomicU64>,
    /// The line before may have been written in part.
    torn: bool,
}

impl<W: FnMut(&[u8]) -> bool> Writer<W> {
    fn run(mut self, waiting: &Receiver<Parcel>) {
        while let Ok(parcel) = waiting.recv() {
            if let Parcel::Lines(lines) = parcel {
                self.put(&lines);
            }
        }
    }

    fn put(&mut self, lines: &[u8]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.write_whole((self.of_lost)(lost).as_bytes()) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.write_whole(lines) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write_whole(&mut self, lines: &[u8]) -> bool {
        if self.torn && !(self.write)(b"\n") {
            return false;
        }
        self.torn = !(self.write)(lines);
        !self.torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Sender, channel};

    fn of_lost(lines: u64) -> String {
        format!("lost {lines}\n")
    }

    #[test]
    fn a_reader_that_stalls_holds_nobody_up_and_is_told_what_was_lost() {
        let (go_on, gate): (Sender<()>, _) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = seen.clone();
        let sink = Sink::to(
            move |bytes| {
                let _ = gate.recv();
                written.lock().unwrap().extend_from_slice(bytes);
                true
            },
            of_lost,
        );
        // One may be with the writer already.
        for line in 0..=MAX_WAITING as u64 + 10 {
            sink.put(format!("{line}\n").into_bytes());
        }
        sink.finish();
        assert_eq!(*seen.lock().unwrap(), b"", "nobody has read yet");
        drop(go_on);
        while sink.lost.load(Ordering::Relaxed) > 0 {
            thread::sleep(NAP);
        }
        sink.finish();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("lost")).count() as u64;
        let lost: u64 =
            text.lines().find_map(|line| line.strip_prefix("lost ")).unwrap().parse().unwrap();
        assert_eq!(lines + lost, MAX_WAITING as u64 + 11);
    }

    #[test]
    fn a_disk_that_was_full_leaves_no_line_glued_to_the_next() {
        let full = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (is_full, written) = (full.clone(), seen.clone());
        let sink = Sink::to(
            move |bytes| {
                let full = is_full.load(Ordering::Relaxed);
                let room = if full { bytes.len() / 2 } else { bytes.len() };
                written.lock().unwrap().extend_from_slice(&bytes[..room]);
                !full
            },
            of_lost,
        );
        sink.put(b"first\n".to_vec());
        sink.finish();
        full.store(true, Ordering::Relaxed);
        sink.put(b"second\n".to_vec());
        sink.finish();
        full.store(false, Ordering::Relaxed);
        sink.put(b"third\n".to_vec());
        sink.finish();
        assert_eq!(seen.lock().unwrap().as_slice(), b"first\nsec\nlost 1\nthird\n");
    }
}
