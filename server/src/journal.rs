//! The log on its way to standard error, which may be slow to take it, or never take it again.
//!
//! Whoever writes a line puts it into a queue and goes on; a thread takes the lines to where they go. So a pipe that nobody
//! reads holds up no call and no stop of the server: when [`QUEUE_BYTES`] wait, further lines are lost, and how many is
//! told as soon as lines are taken again. So are lines that the other end refuses, because a disk is full or a reader
//! gone. [`Journal::finish`] waits for what was written before, for as long as it is told.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What may wait: tens of thousands of lines, far more than a reader that reads ever leaves.
const QUEUE_BYTES: usize = 8 << 20;

/// Takes lines, and never keeps who writes them waiting. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    stirred: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    /// Of the lines that wait.
    bytes: usize,
    /// Whether a line is on its way out.
    writing: bool,
    /// Lines that nobody will see, and that nobody was told of.
    lost: u64,
}

impl Journal {
    /// Takes lines to `out`, in a thread of its own; `tell` says how many were lost, once lines are taken again.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn start(
        &self,
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<()> {
        let journal = self.clone();
        let thread = thread::Builder::new().name("shoots-log".to_owned());
        thread.spawn(move || journal.run(out, tell)).map(drop)
    }

    fn run(&self, mut out: impl Write, tell: impl Fn(u64)) {
        loop {
            let line = self.next();
            let written = out.write_all(&line).and_then(|()| out.flush());
            let lost = self.written(written.is_ok());
            if lost > 0 {
                tell(lost);
            }
        }
    }

    /// Waits for the next line.
    fn next(&self) -> Box<[u8]> {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.writing = true;
                return line;
            }
            let stirred = self.0.stirred.wait(queue);
            queue = stirred.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes what became of the line that was taken, and returns how many were lost that can be told of now.
    fn written(&self, taken: bool) -> u64 {
        let mut queue = self.queue();
        queue.writing = false;
        self.0.stirred.notify_all();
        if taken {
            return std::mem::take(&mut queue.lost);
        }
        queue.lost += 1;
        0
    }

    /// Waits until all lines are where they go, but no longer than this.
    pub(crate) fn finish(&self, patience: Duration) {
        let under_way = |queue: &mut Queue| queue.writing || !queue.lines.is_empty();
        let waited = self
            .0
            .stirred
            .wait_timeout_while(self.queue(), patience, under_way);
        drop(waited);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Journal {
    /// Takes a whole line, or loses it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.queue();
        if queue.bytes + line.len() > QUEUE_BYTES {
            queue.lost += 1;
        } else {
            queue.bytes += line.len();
            queue.lines.push_back(line.into());
            self.0.stirred.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Long enough for anything but a hang.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes a line, or refuses it, whenever it is told to.
    struct Reader {
        turns: Receiver<bool>,
        taken: Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if !self.turns.recv().unwrap_or(true) {
                return Err(io::Error::other("no room"));
            }
            let text = String::from_utf8(line.to_vec()).unwrap();
            self.taken.send(text).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Stage {
        journal: Journal,
        turns: Sender<bool>,
        taken: Receiver<String>,
        told: Receiver<u64>,
    }

    fn stage() -> Stage {
        let (turns, asked) = channel();
        let (taking, taken) = channel();
        let (telling, told) = channel();
        let journal = Journal::default();
        let reader = Reader {
            turns: asked,
            taken: taking,
        };
        let tell = move |lost| telling.send(lost).unwrap();
        journal.start(reader, tell).unwrap();
        Stage {
            journal,
            turns,
            taken,
            told,
        }
    }

    #[test]
    fn lines_beyond_what_may_wait_are_lost_and_counted_and_nobody_waits() {
        let mut stage = stage();
        let line = "x".repeat(QUEUE_BYTES / 8);
        for number in 0..20 {
            stage
                .journal
                .write_all(format!("{number}{line}").as_bytes())
                .unwrap();
        }
        stage.journal.finish(Duration::ZERO);
        drop(stage.turns);
        stage.journal.finish(PATIENCE);
        let taken: Vec<String> = stage.taken.try_iter().collect();
        assert!((7..=8).contains(&taken.len()), "{}", taken.len());
        for (number, taken) in taken.iter().enumerate() {
            assert_eq!(*taken, format!("{number}{line}"));
        }
        let lost = stage.told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(lost as usize + taken.len(), 20);
    }

    #[test]
    fn lines_that_were_refused_are_counted_when_one_is_taken() {
        let mut stage = stage();
        for turn in [false, false, true, true] {
            stage.journal.write_all(b"line\n").unwrap();
            stage.turns.send(turn).unwrap();
        }
        stage.journal.finish(PATIENCE);
        assert_eq!(stage.taken.try_iter().count(), 2);
        assert_eq!(stage.told.recv_timeout(PATIENCE), Ok(2));
        assert!(stage.told.try_recv().is_err());
    }

    #[test]
    fn the_end_waits_for_every_line_that_can_be_taken() {
        let mut stage = stage();
        drop(stage.turns);
        for number in 0..1000 {
            writeln!(stage.journal, "{number}").unwrap();
        }
        stage.journal.finish(PATIENCE);
        assert_eq!(
            stage.taken.try_iter().collect::<String>().lines().count(),
            1000
        );
    }
}
