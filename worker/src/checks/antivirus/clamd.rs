//! clamd, by its `INSTREAM` command.
//!
//! Owns the conversation: which address, how long each step may take, how much is sent. A client
//! of our own, because `clamav-client` gives up on a broken pipe without reading the reply that
//! says why, has no time limits, reads a reply without bound, and cannot ask for the version on
//! the connection that scans.
//!
//! Always: whatever goes wrong is inconclusive, or unavailable where clamd did not answer, and names
//! what went wrong; bytes beyond the limit are never called clean; nor is what clamd answered for before
//! it was told that this is all.

use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use runtime::backoff::{self, Policy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::reply::{self, NAME};
use super::{Blocks, EngineInfo, Scan, Scanner, Verdict};

/// Longer replies are nonsense.
const LONGEST_REPLY: usize = 4096;

/// How long the reason for a broken pipe is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long an address that gave trouble is asked last.
const TROUBLE: Duration = Duration::from_secs(30);

/// Where a clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClamdAddress {
    /// `host:port`.
    Tcp(String),
    /// A local socket.
    Socket(PathBuf),
}

/// How clamd is spoken to.
#[derive(Debug, Clone)]
pub struct ClamdSettings {
    /// They take turns; one that gave trouble is asked last for a while.
    pub addresses: Vec<ClamdAddress>,
    /// clamd looks at no more than this of a stream: the smallest of its `StreamMaxLength`,
    /// `MaxScanSize` and `MaxFileSize`.
    pub limit: u64,
    /// How long a connection, and clamd's answer on it, may take.
    pub connect_timeout: Duration,
    /// How long clamd may take no bytes.
    pub stall_timeout: Duration,
    /// How long clamd may take after the last byte. Longer than its own `MaxScanTime` (120 s unless set), so that
    /// it says itself what it did not look at.
    pub verdict_timeout: Duration,
    /// How often all addresses are tried, and how far apart.
    pub retry: Policy,
}

impl ClamdSettings {
    /// The defaults of clamd 1.4.
    pub fn new(addresses: Vec<ClamdAddress>) -> Self {
        Self {
            addresses,
            limit: 100 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            verdict_timeout: Duration::from_secs(150),
            retry: Policy {
                first: Duration::from_millis(500),
                cap: Duration::from_secs(2),
                attempts: NonZeroU32::MIN.saturating_add(2),
            },
        }
    }
}

/// An engine that scans for us.
#[derive(Debug, Clone)]
pub struct Clamd {
    settings: ClamdSettings,
    turns: Arc<Turns>,
}

/// Whose turn it is, of the addresses.
#[derive(Debug)]
struct Turns {
    next: AtomicUsize,
    /// Until when each is asked last, because it gave trouble.
    trouble: Vec<Mutex<Option<Instant>>>,
}

impl Turns {
    fn new(addresses: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            trouble: (0..addresses).map(|_| Mutex::default()).collect(),
        }
    }

    /// All of them, in the order in which they are to be asked now.
    fn order(&self) -> Vec<usize> {
        let (count, now) = (self.trouble.len(), Instant::now());
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<usize> = (0..count).map(|nth| (first + nth) % count).collect();
        order.sort_by_key(|address| self.until(*address).is_some_and(|until| now < until));
        order
    }

    fn until(&self, address: usize) -> Option<Instant> {
        *self.trouble[address]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn gave_trouble(&self, address: usize) {
        let mut until = self.trouble[address]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + TROUBLE);
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection on which clamd has said who it is.
struct Session {
    wire: Box<dyn Wire>,
    engine: EngineInfo,
    /// At which of the addresses.
    address: usize,
}

impl Clamd {
    /// Speaks to the addresses in turn, and to the next where one does not answer.
    pub fn new(settings: ClamdSettings) -> Self {
        let turns = Arc::new(Turns::new(settings.addresses.len()));
        Self { settings, turns }
    }

    async fn connect(&self) -> Result<Session, String> {
        let connect = || async {
            let mut problem = "no address of clamd is configured".to_owned();
            for nth in self.turns.order() {
                let address = &self.settings.addresses[nth];
                match timeout(self.settings.connect_timeout, greet(address)).await {
                    Ok(Ok((wire, engine))) => {
                        return Ok(Session {
                            wire,
                            engine,
                            address: nth,
                        });
                    }
                    Ok(Err(error)) => problem = error.to_string(),
                    Err(_) => "it did not answer in time".clone_into(&mut problem),
                }
                self.turns.gave_trouble(nth);
                tracing::warn!(?address, problem, "clamd was not reached");
            }
            Err(problem)
        };
        backoff::retry(&self.settings.retry, |_| true, connect).await
    }

    /// Sends what may be sent. Answers how many bytes that was.
    async fn send(
        &self,
        wire: &mut (impl AsyncWrite + Unpin),
        blocks: &mut Blocks,
    ) -> io::Result<u64> {
        let patience = self.settings.stall_timeout;
        patient(patience, wire.write_all(b"zINSTREAM\0")).await?;
        let mut sent = 0;
        while let Some(mut block) = blocks.recv().await {
            let room = usize::try_from(self.settings.limit - sent).unwrap_or(usize::MAX);
            block.truncate(room);
            if block.is_empty() {
                break;
            }
            let length = u32::try_from(block.len()).map_err(io::Error::other)?;
            patient(patience, wire.write_all(&length.to_be_bytes())).await?;
            patient(patience, wire.write_all(&block)).await?;
            sent += u64::from(length);
        }
        Ok(sent)
    }

    /// What clamd says of the blocks, and how many bytes that rests on.
    async fn ask(&self, wire: &mut dyn Wire, size: u64, mut blocks: Blocks) -> (Verdict, u64) {
        let expected = size.min(self.settings.limit);
        let (mut reading, mut writing) = tokio::io::split(wire);
        // Listened to from the beginning: what is said before the end was sent is no verdict on the whole.
        let mut reply = std::pin::pin!(read_reply(&mut reading));
        let sent = tokio::select! {
            biased;
            words = &mut reply => return said_early(words),
            sent = self.send(&mut writing, &mut blocks) => sent,
        };
        match sent {
            Ok(sent) if sent == expected => {}
            Ok(_) => return unsure("the object was not read to its end"),
            Err(error) => {
                // clamd closes the connection on what it does not want, after saying why.
                return match timeout(LAST_WORDS, reply).await {
                    Ok(words @ Ok(_)) => said_early(words),
                    _ => unavailable(format!("clamd stopped taking bytes: {error}")),
                };
            }
        }
        drop(blocks);
        let verdict = async {
            writing.write_all(&0_u32.to_be_bytes()).await?;
            writing.flush().await?;
            reply.await
        };
        let reply = match timeout(self.settings.verdict_timeout, verdict).await {
            Err(_) => return unavailable("clamd did not answer in time"),
            Ok(Err(error)) => return unavailable(format!("clamd went away: {error}")),
            Ok(Ok(reply)) => reply::read(&reply),
        };
        match reply.verdict {
            Verdict::Clean if expected < size => (
                Verdict::Inconclusive(format!(
                    "larger than the engine's limit: nothing was found in the first {expected} bytes"
                )),
                expected,
            ),
            verdict => (verdict, if reply.looked { expected } else { 0 }),
        }
    }
}

/// What words are worth that clamd said before it had everything: a finding is one, all else is none.
fn said_early(words: io::Result<Vec<u8>>) -> (Verdict, u64) {
    match words.map(|words| reply::read(&words).verdict) {
        Ok(Verdict::Inconclusive(why)) => unsure(why),
        Ok(found @ Verdict::Infected(_)) => (found, 0),
        Ok(verdict) => unsure(format!("clamd answered too early: {verdict:?}")),
        Err(error) => unavailable(format!("clamd stopped taking bytes: {error}")),
    }
}

#[async_trait]
impl Scanner for Clamd {
    async fn identity(&self) -> EngineInfo {
        match self.connect().await {
            Ok(session) => session.engine,
            Err(_) => unknown(),
        }
    }

    async fn ready(&self) -> bool {
        self.connect().await.is_ok()
    }

    async fn scan(&self, size: u64, blocks: Blocks) -> Scan {
        let mut session = match self.connect().await {
            Ok(session) => session,
            Err(problem) => {
                return Scan {
                    verdict: Verdict::Unavailable(format!("clamd was not reached: {problem}")),
                    engine: unknown(),
                    bytes_looked: 0,
                };
            }
        };
        let (verdict, bytes_looked) = self.ask(&mut *session.wire, size, blocks).await;
        if matches!(verdict, Verdict::Unavailable(_)) {
            // The next attempt goes to another, if there is one.
            self.turns.gave_trouble(session.address);
        }
        Scan {
            verdict,
            engine: session.engine,
            bytes_looked,
        }
    }
}

fn unsure(why: impl Into<String>) -> (Verdict, u64) {
    (Verdict::Inconclusive(why.into()), 0)
}

fn unavailable(why: impl Into<String>) -> (Verdict, u64) {
    (Verdict::Unavailable(why.into()), 0)
}

fn unknown() -> EngineInfo {
    EngineInfo {
        name: NAME.to_owned(),
        version: "unknown".to_owned(),
        signatures: None,
    }
}

/// Opens a session, in which the first answer is the version: of the engine that is going to scan.
async fn greet(address: &ClamdAddress) -> io::Result<(Box<dyn Wire>, EngineInfo)> {
    let mut wire: Box<dyn Wire> = match address {
        ClamdAddress::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        #[cfg(unix)]
        ClamdAddress::Socket(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
        #[cfg(not(unix))]
        ClamdAddress::Socket(_) => {
            return Err(io::Error::other("this system has no local sockets"));
        }
    };
    wire.write_all(b"zIDSESSION\0zVERSION\0").await?;
    wire.flush().await?;
    let reply = read_reply(&mut *wire).await?;
    let engine = reply::read_version(&reply)
        .ok_or_else(|| io::Error::other("what answers there is not clamd"))?;
    Ok((wire, engine))
}

/// Reads up to the zero byte that ends a reply, or to the end. An end before any byte is an error.
async fn read_reply(wire: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    let mut buffer = [0; 512];
    while reply.len() < LONGEST_REPLY {
        let count = wire.read(&mut buffer).await?;
        if count == 0 && reply.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if count == 0 {
            break;
        }
        reply.extend_from_slice(&buffer[..count]);
        if let Some(end) = reply.iter().position(|byte| *byte == 0) {
            reply.truncate(end);
            break;
        }
    }
    Ok(reply)
}

async fn patient<T>(
    patience: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout(patience, step)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
