//! A reverse proxy that misbehaves: it refuses, loses answers, asks twice, and cuts bodies, as often as it is told.
//!
//! Always: what it passes on is unchanged (host and signature included), so the servers behind it cannot tell
//! that it is there; a request that it refuses was never passed on; one whose answer it loses was; one that it asks
//! twice has the second answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, future::BoxFuture};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use runtime::shutdown::Shutdown;

/// What S3 says when it is asked too much.
pub const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// How often it does what, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Refused with 503.
    pub refuse: f64,
    /// Passed on; the answer is lost.
    pub lose: f64,
    /// Bodies that end in the middle, of requests and of answers.
    pub cut: f64,
    /// Passed on, and again when the answer is there, as a hop does that takes an answer for lost.
    pub double: f64,
}

/// The largest body that is asked with twice, or looked into.
const HELD: usize = 16 * 1024 * 1024;

/// What is called with a request before it is passed on.
pub type Hook = Arc<dyn Fn(&Method, &HeaderMap) -> BoxFuture<'static, ()> + Send + Sync>;

/// A proxy in this process.
pub struct Proxy {
    url: String,
    state: Arc<Shared>,
    _running: Shutdown,
}

/// When a strike comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the request is passed on: it is never carried out.
    Before,
    /// When its answer is there: it was carried out, and nobody hears of it.
    After,
}

/// What happens; answers whether it did.
pub type Blow = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whether a request, of which the body is known, is meant.
type Recognise = Box<dyn Fn(&Parts, &[u8]) -> bool + Send>;

/// What happens at requests of a kind.
pub struct Strike {
    /// When.
    pub when: When,
    /// At each of them, not only at the first.
    pub again: bool,
    /// Whether a request is of the kind.
    pub is_it: Recognise,
    /// What happens.
    pub blow: Blow,
}

/// How often a strike has come.
#[derive(Debug, Clone, Default)]
pub struct Struck(Arc<AtomicUsize>);

impl Struck {
    /// How often.
    pub fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A strike that a request is meant for.
struct Coming {
    when: When,
    blow: Blow,
    struck: Struck,
}

impl Coming {
    fn strike(self) {
        let done = usize::from((self.blow)());
        self.struck.0.fetch_add(done, Ordering::SeqCst);
    }
}

struct Shared {
    strike: Mutex<Option<(Strike, Struck)>>,
    upstreams: Vec<String>,
    next: AtomicUsize,
    rates: Mutex<Rates>,
    random: Mutex<StdRng>,
    http: reqwest::Client,
    refusal: &'static str,
    hook: Option<Hook>,
    done: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Refuse,
    Lose,
    CutRequest,
    CutAnswer,
    Double,
}

impl Proxy {
    /// In front of servers (`host:port`), of which those that take connections get requests in turn.
    pub async fn start(
        upstreams: Vec<String>,
        seed: u64,
        refusal: &'static str,
        hook: Option<Hook>,
    ) -> Self {
        let state = Arc::new(Shared {
            strike: Mutex::default(),
            upstreams,
            next: AtomicUsize::default(),
            rates: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                // One that a server was killed behind is found out by using it.
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client can be built"),
            refusal,
            hook,
            done: AtomicUsize::default(),
        });
        let router = axum::Router::new()
            .fallback(pass)
            .with_state(state.clone())
            .layer(axum::extract::DefaultBodyLimit::disable());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let running = Shutdown::new();
        drop(running.spawn("proxy", async move {
            // It ends with the process.
            drop(axum::serve(listener, router).await);
        }));
        Self {
            url: format!("http://{address}"),
            state,
            _running: running,
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on.
    pub fn misbehave(&self, rates: Rates) {
        *lock(&self.state.rates) = rates;
    }

    /// Has something happen; what was to happen before and did not is forgotten.
    pub fn strike(&self, strike: Strike) -> Struck {
        let struck = Struck::default();
        *lock(&self.state.strike) = Some((strike, struck.clone()));
        struck
    }

    /// How often it did.
    pub fn faults(&self) -> usize {
        self.state.done.load(Ordering::SeqCst)
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn draw(&self) -> Option<Fault> {
        let rates = *lock(&self.rates);
        if rates == Rates::default() {
            return None;
        }
        let mut random = lock(&self.random);
        let drawn: f64 = random.random();
        let fault = if drawn < rates.refuse {
            Fault::Refuse
        } else if drawn < rates.refuse + rates.lose {
            Fault::Lose
        } else if drawn < rates.refuse + rates.lose + rates.cut {
            if random.random() {
                Fault::CutRequest
            } else {
                Fault::CutAnswer
            }
        } else if drawn < rates.refuse + rates.lose + rates.cut + rates.double {
            Fault::Double
        } else {
            return None;
        };
        drop(random);
        self.done.fetch_add(1, Ordering::SeqCst);
        Some(fault)
    }

    /// The strike that this request is meant for.
    fn struck_by(&self, asked: &Parts, body: &[u8]) -> Option<Coming> {
        let mut set = lock(&self.strike);
        let (strike, struck) = set.as_ref()?;
        if !(strike.is_it)(asked, body) {
            return None;
        }
        let coming = Coming {
            when: strike.when,
            blow: strike.blow.clone(),
            struck: struck.clone(),
        };
        if !strike.again {
            *set = None;
        }
        Some(coming)
    }

    /// One that takes connections.
    async fn upstream(&self) -> Option<&str> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.upstreams.len() {
            let one = &self.upstreams[(first + turn) % self.upstreams.len()];
            if tokio::net::TcpStream::connect(one).await.is_ok() {
                return Some(one);
            }
        }
        None
    }

    fn refuse(&self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, self.refusal).into_response()
    }
}

/// Those that are between two neighbours only, and those that are made anew.
fn passes(name: &HeaderName) -> bool {
    ![
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::EXPECT,
    ]
    .contains(name)
}

fn headers(all: &HeaderMap) -> HeaderMap {
    all.iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The first half of a body of so many bytes, and then an error.
fn cut<E: std::error::Error + Send + Sync + 'static>(
    body: impl futures::Stream<Item = Result<axum::body::Bytes, E>> + Send + 'static,
    length: u64,
) -> impl futures::Stream<Item = Result<axum::body::Bytes, std::io::Error>> + Send + 'static {
    let mut left = usize::try_from(length / 2).unwrap_or(usize::MAX);
    body.map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        if left == 0 {
            return Err(std::io::Error::other("cut on purpose"));
        }
        let taken = piece.slice(..piece.len().min(left));
        left -= taken.len();
        Ok(taken)
    })
    .chain(futures::stream::once(async {
        Err(std::io::Error::other("cut on purpose"))
    }))
}

async fn pass(State(state): State<Arc<Shared>>, request: Request) -> Response {
    let fault = state.draw();
    if fault == Some(Fault::Refuse) {
        return state.refuse();
    }
    let Some(upstream) = state.upstream().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (head, body) = request.into_parts();
    let (body, strike) = if lock(&state.strike).is_some() {
        let Ok(whole) = axum::body::to_bytes(body, HELD).await else {
            return state.refuse();
        };
        let strike = state.struck_by(&head, &whole);
        (Body::from(whole), strike)
    } else {
        (body, None)
    };
    let after = match strike {
        Some(coming) if coming.when == When::Before => {
            coming.strike();
            return state.refuse();
        }
        after => after,
    };
    if let Some(hook) = &state.hook {
        hook(&head.method, &head.headers).await;
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let onward = |upstream: &str| {
        state
            .http
            .request(head.method.clone(), format!("http://{upstream}{path}"))
            .headers(headers(&head.headers))
    };
    let body = if fault == Some(Fault::Double) {
        let Ok(whole) = axum::body::to_bytes(body, HELD).await else {
            return state.refuse();
        };
        if let Ok(first) = onward(upstream).body(whole.clone()).send().await {
            // It has been carried out when the answer is whole.
            drop(first.bytes().await);
        }
        Body::from(whole)
    } else {
        body
    };
    let Some(upstream) = state.upstream().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut onward = onward(upstream);
    let size = length(&head.headers);
    let chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    if size.is_some_and(|size| size > 0) || chunked {
        let body = body.into_data_stream();
        onward = match (fault, size) {
            (Some(Fault::CutRequest), Some(size)) => {
                onward.body(reqwest::Body::wrap_stream(cut(body, size)))
            }
            _ => onward.body(reqwest::Body::wrap_stream(body)),
        };
    }
    let Ok(answer) = onward.send().await else {
        // The body was cut, or the server is gone: what has become of the request is not known.
        return state.refuse();
    };
    if let Some(coming) = after {
        drop(answer.bytes().await);
        coming.strike();
        return state.refuse();
    }
    if fault == Some(Fault::Lose) {
        // It has been carried out when the answer is whole.
        drop(answer.bytes().await);
        return state.refuse();
    }
    let (status, kept) = (answer.status(), headers(answer.headers()));
    let size = length(&kept).unwrap_or_default();
    let body = if fault == Some(Fault::CutAnswer) && size > 1 && head.method == Method::GET {
        Body::from_stream(cut(answer.bytes_stream(), size))
    } else if head.method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(answer.bytes_stream())
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = kept;
    response
}
