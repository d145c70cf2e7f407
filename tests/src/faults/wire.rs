//! The wire to PostgreSQL, which breaks: before a message arrives, or after it was carried out and before the answer
//! is back, so that nobody knows whether a COMMIT was one.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use runtime::shutdown::Shutdown;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

/// What is read at once.
const PIECE: usize = 64 * 1024;

/// In front of a cluster's socket.
pub(super) struct Wire {
    port: u16,
    state: Arc<Shared>,
    _running: Shutdown,
}

struct Shared {
    socket: PathBuf,
    /// How many messages of all it breaks at.
    rate: Mutex<f64>,
    random: Mutex<StdRng>,
    done: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    Before,
    After,
}

impl Wire {
    pub(super) async fn start(socket: PathBuf, seed: u64) -> Self {
        let state = Arc::new(Shared {
            socket,
            rate: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            done: AtomicUsize::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let running = Shutdown::new();
        let (shared, spawner) = (state.clone(), running.clone());
        drop(running.spawn("wire", async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = shared.clone();
                drop(spawner.spawn("connection", async move { carry(client, &shared).await }));
            }
        }));
        Self {
            port,
            state,
            _running: running,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// From now on it breaks at so many messages of all, 0 to 1.
    pub(super) fn misbehave(&self, rate: f64) {
        *self
            .state
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = rate;
    }

    /// How often it broke.
    pub(super) fn faults(&self) -> usize {
        self.state.done.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn draw(&self) -> Option<Break> {
        let rate = *self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if rate == 0.0 || !random.random_bool(rate) {
            return None;
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        Some(if random.random() {
            Break::Before
        } else {
            Break::After
        })
    }
}

/// One connection, until either end closes it or it breaks.
async fn carry(mut client: TcpStream, shared: &Shared) {
    let Ok(mut server) = UnixStream::connect(&shared.socket).await else {
        return;
    };
    let (mut asked, mut answered) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let broken = shared.draw();
                if broken == Some(Break::Before) || server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
                if broken == Some(Break::After) {
                    // Its answer is there, so it was carried out; nobody hears of it.
                    drop(server.read(&mut answered).await);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
