//! A worker process: started, asked, watched, and cleared away.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Interpreter;

const PROGRAM: &str = include_str!("worker.py");

/// Bytes of a request's head, and of a reply's.
pub(super) const REQUEST: usize = 8;
pub(super) const REPLY: usize = 16;

/// Most bytes that follow the head of a reply: a large picture.
const MOST: usize = 1 << 30;

/// Bytes that memory for a reply grows by at first.
const PIECE: usize = 1 << 16;

/// So much of what a worker prints last is kept.
const LAST_WORDS: usize = 2000;

/// How long to watch for a reply before going to sleep; `worker.py` watches as long for a request.
const WATCH: Duration = Duration::from_micros(100);

/// How long a worker that is told to go may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Threads that numeric libraries start in a worker: there is a worker for every core already.
const THREAD_VARIABLES: [&str; 4] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"];

/// The head of a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub kind: u8,
    pub flags: u8,
    pub reward: f64,
}

/// One Python process that runs `worker.py`.
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    last_words: Arc<Mutex<Vec<u8>>>,
    /// How long it may take to answer.
    patience: Duration,
    reply: Vec<u8>,
}

/// Seconds that a worker may take for a step: what `ES_TRAIN_PYTHON_TIMEOUT` says, or 60.
///
/// # Errors
/// If the variable is not a number above 0.
pub(super) fn patience() -> Result<Duration, String> {
    let Some(text) = std::env::var_os("ES_TRAIN_PYTHON_TIMEOUT") else {
        return Ok(Duration::from_secs(60));
    };
    let text = text.to_string_lossy();
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.001..1e9).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        format!("ES_TRAIN_PYTHON_TIMEOUT = {text}: expected a number of seconds above 0")
    })
}

impl Process {
    /// Starts a worker.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn start(python: &Interpreter, patience: Duration) -> Result<Self, String> {
        let start = || -> std::io::Result<(Child, UnixStream)> {
            let (socket, theirs) = UnixStream::pair()?;
            let mut command = Command::new(python.path());
            for variable in THREAD_VARIABLES {
                if std::env::var_os(variable).is_none() {
                    command.env(variable, "1");
                }
            }
            let child = command
                .args(["-c", PROGRAM])
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                // Signals of the terminal are for this process alone.
                .process_group(0)
                .spawn()?;
            Ok((child, socket))
        };
        let (mut child, socket) = start()
            .map_err(|error| format!("cannot start {}: {error}", python.path().display()))?;
        let last_words = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let last_words = last_words.clone();
            // It ends when the last process that holds the other end does.
            std::thread::spawn(move || listen(stderr, &last_words));
        }
        Ok(Process { child, socket, last_words, patience, reply: Vec::new() })
    }

    /// Sends a request, whose head and payload are in one piece, and reads the reply: its head here,
    /// what follows it in [`Process::extra`].
    ///
    /// # Errors
    /// What became of the process, if it is gone or does not answer in time; it is cleared away.
    pub fn ask(&mut self, request: &[u8], patience: u32) -> Result<Head, String> {
        let patience = self.patience * patience;
        self.exchange(request, patience).map_err(|error| self.post_mortem(&error, patience))
    }

    /// What followed the head of the last reply.
    pub fn extra(&self) -> &[u8] {
        &self.reply[REPLY..]
    }

    fn exchange(&mut self, request: &[u8], patience: Duration) -> std::io::Result<Head> {
        self.socket.set_read_timeout(Some(patience))?;
        self.socket.write_all(request)?;
        receive(|room| read(&mut self.socket, room), &mut self.reply)
    }

    /// Clears a silent process away and says what it was.
    fn post_mortem(&mut self, error: &std::io::Error, patience: Duration) -> String {
        let mut text = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                self.end(Duration::ZERO);
                format!(
                    "its worker process did not answer within {} s (ES_TRAIN_PYTHON_TIMEOUT)",
                    patience.as_secs_f64()
                )
            }
            _ => match self.end(FAREWELL) {
                Some(status) => format!("its worker process is gone ({})", told(status)),
                None => format!("its worker process is gone ({error})"),
            },
        };
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = String::from_utf8_lossy(&words);
        if !words.trim().is_empty() {
            text += &format!("; its last words:\n{}", words.trim());
        }
        text
    }

    /// Hangs up, gives the process some time to go and then ends it; its exit status.
    fn end(&mut self, time: Duration) -> Option<ExitStatus> {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let until = Instant::now() + time;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => sleep(Duration::from_millis(2)),
                _ => break,
            }
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(FAREWELL);
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Reads what there is; where there is nothing yet, first watches for it a while and only then lets
/// the system wake this thread, which takes longer than many an environment's step.
fn read(socket: &mut UnixStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    let began = Instant::now();
    socket.set_nonblocking(true)?;
    let watched = loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => break Some(other),
        }
        if began.elapsed() >= WATCH {
            break None;
        }
        // Whoever else has work for this core goes first: the worker, above all.
        std::thread::yield_now();
    };
    socket.set_nonblocking(false)?;
    watched.unwrap_or_else(|| socket.read(buffer))
}

/// Reads a reply, whose head says how long it is.
///
/// The head is believed only as far as bytes come: memory grows with what was read.
///
/// # Errors
/// If the bytes end before the reply does, or it is longer than any should be.
pub(super) fn receive(
    mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
    reply: &mut Vec<u8>,
) -> std::io::Result<Head> {
    // A reply is as long as the one before, in almost every case: one call reads all of it.
    reply.resize(reply.len().max(REPLY), 0);
    let (mut have, mut total) = (0, REPLY);
    while have < total {
        match read(&mut reply[have..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => have += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if have >= REPLY {
            let length = word(&reply[4..]) as usize;
            if length > MOST {
                let says = format!("a reply of {length} bytes, expected at most {MOST}");
                return Err(std::io::Error::new(ErrorKind::InvalidData, says));
            }
            total = REPLY + length;
            reply.resize(total.min((2 * have).max(PIECE)), 0);
        }
    }
    let mut reward = [0; 8];
    reward.copy_from_slice(&reply[8..REPLY]);
    Ok(Head { kind: reply[0], flags: reply[1], reward: f64::from_le_bytes(reward) })
}

/// Reads what a worker prints and keeps the end of it.
fn listen(mut stderr: impl Read, last_words: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&buffer[..count]);
        let excess = words.len().saturating_sub(LAST_WORDS);
        words.drain(..excess);
    }
}

/// The number in the first four bytes.
pub(super) fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(length: u32, extra: &[u8]) -> Vec<u8> {
        let mut reply = vec![1, 2, 0, 0];
        reply.extend(length.to_le_bytes());
        reply.extend(0.5_f64.to_le_bytes());
        reply.extend(extra);
        reply
    }

    /// Reads a reply that comes in pieces of so many bytes.
    fn received(bytes: &[u8], piece: usize) -> std::io::Result<(Head, Vec<u8>)> {
        let (mut rest, mut reply) = (bytes, Vec::new());
        let head = receive(|room| rest.by_ref().take(piece as u64).read(room), &mut reply)?;
        Ok((head, reply))
    }

    #[test]
    fn a_reply_is_read_in_whatever_pieces_it_comes() {
        let extra: Vec<u8> = (0..200_000).map(|k| k as u8).collect();
        for piece in [1, 15, 17, 4096, usize::MAX] {
            let (head, all) = received(&reply(200_000, &extra), piece).unwrap();
            assert_eq!((head.kind, head.flags, head.reward), (1, 2, 0.5));
            assert_eq!(all[REPLY..], extra);
        }
    }

    #[test]
    fn a_reply_that_promises_the_world_takes_no_memory() {
        let error = received(&reply(u32::MAX, &[1]), 64).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes, expected at most"), "{error}");
        let (mut rest, mut memory) = (&reply(MOST as u32, &[1, 2])[..], Vec::new());
        let error = receive(|room| rest.read(room), &mut memory).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(memory.capacity() <= 2 * PIECE, "{}", memory.capacity());
    }
}
