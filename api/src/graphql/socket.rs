//! GraphQL over a websocket, by the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! Owns what keeps a connection in bounds: the time to introduce oneself, pings, how many operations there
//! may be, how large a message may be, a client that never reads, and the close codes. Does not own what operations do.
//!
//! Always: everything that waits has an end; what a client sends is only read when there is room for it; who
//! the client is, is asked again with each operation.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_graphql::{
    Executor, Request, Response, ServerError,
    http::{ClientMessage, WebSocket as Protocol, WebSocketProtocols, WsMessage},
    parser::types::OperationType,
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{Sink, SinkExt as _, StreamExt as _, stream, stream::BoxStream};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::tungstenite;

use super::{
    Endpoint,
    endpoint::Admitted,
    http::{InSpan, span, with_codes},
    parameters::Parameters,
    timing::Timing,
};

/// How long a client may take to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// How long it may then be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// How many messages of a client wait to be worked on.
const INBOX: usize = 16;

/// Why the server closes a connection: a code of the protocol, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Close(u16, &'static str);

const TOO_LARGE: Close = Close(
    1009,
    "a message may have no more bytes than a request (MUNIMENT_LIMIT_BODY)",
);

/// Talks to one client until either side ends it. `token` is that of the request that opened the websocket.
pub(super) async fn serve(
    endpoint: Endpoint,
    socket: WebSocket,
    token: Option<String>,
    id: String,
) {
    let (mut sink, mut frames) = socket.split();
    let (inbox, messages) = mpsc::channel(INBOX);
    let executor = Answers {
        endpoint: endpoint.clone(),
        id: id.as_str().into(),
    };
    let messages = ReceiverStream::new(messages).map(Ok);
    let answers = Protocol::from_message_stream(executor, messages, WebSocketProtocols::GraphQLWS)
        .on_connection_init(move |payload| async move {
            let mut session = async_graphql::Data::default();
            session.insert(Introduced(introduced_by(&payload).or(token)));
            Ok(session)
        })
        .keepalive_timeout(SILENCE);
    let mut answers = std::pin::pin!(answers);
    let limits = Arc::clone(&endpoint.settings.limits);
    let mut connection = Connection::new(limits.operations, limits.body);
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    let mut introduction = std::pin::pin!(tokio::time::sleep(INTRODUCTION));
    let Close(code, reason) = loop {
        let reading = async { (inbox.reserve().await, frames.next().await) };
        tokio::select! {
            (permit, frame) = reading => {
                let said = match frame {
                    Some(Ok(Message::Text(text))) => connection.take(text.as_bytes()),
                    Some(Ok(Message::Binary(bytes))) => connection.take(&bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Err(error)) if is_too_large(&error) => Err(TOO_LARGE),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                match (permit, said) {
                    (Ok(permit), Ok(message)) => permit.send(message),
                    (_, Err(close)) => break close,
                    (Err(_), _) => return,
                }
            }
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) if connection.passes(&text) => {
                    if !send(&mut sink, limits.send, Message::text(text)).await {
                        return;
                    }
                }
                Some(WsMessage::Text(_)) => {}
                Some(WsMessage::Close(3008, _)) => break Close(4408, "no answer to a ping"),
                Some(WsMessage::Close(..)) => break Close(1011, "the connection cannot go on"),
                None => return,
            },
            _ = pings.tick() => {
                if !send(&mut sink, limits.send, Message::text(r#"{"type":"ping"}"#)).await {
                    return;
                }
            }
            () = &mut introduction, if !connection.introduced => {
                break Close(4408, "Connection initialisation timeout");
            }
        }
    };
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    send(&mut sink, limits.send, Message::Close(Some(frame))).await;
}

/// Whether a message is so large that not even the library reads it.
fn is_too_large(error: &axum::Error) -> bool {
    let error = std::error::Error::source(error).and_then(|error| error.downcast_ref());
    matches!(error, Some(tungstenite::Error::Capacity(_)))
}

/// Whether the client took it in time.
async fn send(sink: &mut (impl Sink<Message> + Unpin), time: Duration, message: Message) -> bool {
    matches!(
        tokio::time::timeout(time, sink.send(message)).await,
        Ok(Ok(()))
    )
}

/// The token in the payload of `connection_init`.
fn introduced_by(payload: &serde_json::Value) -> Option<String> {
    let value = payload
        .get("Authorization")
        .or_else(|| payload.get("authorization"))?
        .as_str()?;
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => value,
    };
    Some(token.trim().to_owned())
}

/// The token that the client came with.
struct Introduced(Option<String>);

/// What a connection has said so far.
struct Connection {
    introduced: bool,
    /// The most operations at a time.
    operations: usize,
    /// The most bytes of a message.
    largest: usize,
    running: HashSet<String>,
    /// Ended by the client: their `complete` must not reach a new operation of the same id.
    stopped: HashMap<String, usize>,
}

/// The part of a message that the library does not read as we do.
#[derive(Deserialize)]
struct Subscribe {
    payload: Parameters,
}

impl Connection {
    fn new(operations: usize, largest: usize) -> Self {
        Self {
            introduced: false,
            operations,
            largest,
            running: HashSet::new(),
            stopped: HashMap::new(),
        }
    }

    /// A message of the client, if it may say that now.
    fn take(&mut self, text: &[u8]) -> Result<ClientMessage, Close> {
        if text.len() > self.largest {
            return Err(TOO_LARGE);
        }
        let unknown = |_| Close(4400, "not a message of graphql-transport-ws");
        let mut message = ClientMessage::from_bytes(text).map_err(unknown)?;
        if let ClientMessage::Start { payload, .. } = &mut message {
            let Subscribe {
                payload: parameters,
            } = serde_json::from_slice(text).map_err(unknown)?;
            payload.data.insert(parameters);
        }
        match &message {
            ClientMessage::ConnectionInit { .. } if self.introduced => {
                return Err(Close(4429, "Too many initialisation requests"));
            }
            ClientMessage::ConnectionInit { .. } => self.introduced = true,
            ClientMessage::Start { .. } if !self.introduced => {
                return Err(Close(4401, "Unauthorized"));
            }
            ClientMessage::Start { .. } if self.running.len() >= self.operations => {
                return Err(Close(4429, "Too many operations"));
            }
            ClientMessage::Start { id, .. } => {
                if !self.running.insert(id.clone()) {
                    return Err(Close(4409, "Subscriber already exists"));
                }
            }
            ClientMessage::Stop { id } => {
                if self.running.remove(id) {
                    *self.stopped.entry(id.clone()).or_default() += 1;
                }
            }
            ClientMessage::ConnectionTerminate
            | ClientMessage::Ping { .. }
            | ClientMessage::Pong { .. } => {}
        }
        Ok(message)
    }

    /// Whether a message of ours is to be sent.
    fn passes(&mut self, text: &str) -> bool {
        #[derive(Deserialize)]
        struct Complete {
            id: String,
        }

        // The bulk are answers, which need not be looked into.
        if !text.starts_with(r#"{"type":"complete""#) {
            return true;
        }
        let Ok(Complete { id }) = serde_json::from_str(text) else {
            return true;
        };
        if let Some(count) = self.stopped.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.stopped.remove(&id);
            }
            return false;
        }
        self.running.remove(&id);
        true
    }
}

/// Answers as over HTTP: every error with a code and the request's id, queries with a time limit.
#[derive(Clone)]
struct Answers {
    endpoint: Endpoint,
    id: Arc<str>,
}

impl Answers {
    async fn begin(
        self,
        request: Request,
        session: Option<Arc<async_graphql::Data>>,
    ) -> Result<BoxStream<'static, Response>, ServerError> {
        let mut timing = Timing::begin();
        let admitted = self.admit(&request, session, &mut timing).await;
        let (admitted, operation) = admitted.inspect_err(|_| timing.refused())?;
        let meter = Arc::clone(&admitted.meter);
        let answers = self.endpoint.stream(admitted, operation);
        Ok(timing.first_of(answers, meter))
    }

    async fn admit(
        &self,
        request: &Request,
        session: Option<Arc<async_graphql::Data>>,
        timing: &mut Timing,
    ) -> Result<(Admitted, OperationType), ServerError> {
        let parameters = of_type::<Parameters>(&request.data).cloned();
        let asked = self.endpoint.read(parameters.unwrap_or_default())?;
        timing.is_of(&asked.chosen);
        let operation = asked.chosen.ty;
        let token = session
            .as_deref()
            .and_then(of_type::<Introduced>)
            .and_then(|introduced| introduced.0.as_deref());
        // Loaders of its own: one operation that is dropped never takes what another waits for.
        let admitted = self.endpoint.admit(asked, token, &self.id).await?;
        Ok((admitted, operation))
    }
}

fn of_type<T: 'static>(data: &async_graphql::Data) -> Option<&T> {
    data.get(&std::any::TypeId::of::<T>())?.downcast_ref()
}

impl Executor for Answers {
    /// The protocol asks for streams only.
    async fn execute(&self, request: Request) -> Response {
        let mut answers = self.execute_stream(request, None);
        answers.next().await.unwrap_or_default()
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<async_graphql::Data>>,
    ) -> BoxStream<'static, Response> {
        let (id, most) = (Arc::clone(&self.id), self.endpoint.settings.limits.errors);
        let begin = self.clone().begin(request, session);
        let answers = stream::once(async move {
            match begin.await {
                Ok(answers) => answers,
                Err(error) => {
                    let answer = Response::from_errors(vec![error]);
                    stream::once(async { answer }).boxed()
                }
            }
        })
        .flatten();
        InSpan::new(answers.boxed(), span(&id))
            .map(move |answer| with_codes(answer, &id, most))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(connection: &mut Connection, message: &str) -> Result<(), u16> {
        match connection.take(message.as_bytes()) {
            Ok(_) => Ok(()),
            Err(Close(code, _)) => Err(code),
        }
    }

    fn introduced() -> Connection {
        let mut connection = Connection::new(100, 1000);
        assert_eq!(
            taken(&mut connection, r#"{"type":"connection_init"}"#),
            Ok(())
        );
        connection
    }

    fn subscribe(id: usize) -> String {
        format!(r#"{{"type":"subscribe","id":"{id}","payload":{{"query":"{{a}}"}}}}"#)
    }

    #[test]
    fn what_breaks_the_protocol_closes_with_its_code() {
        for (message, code) in [
            ("{", 4400),
            (r#"{"type":"dance"}"#, 4400),
            (r#"{"type":"subscribe","id":"1"}"#, 4400),
            (r#"{"type":"connection_init"}"#, 4429),
            (
                r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":{"a":1,"a":2}}}"#,
                4400,
            ),
        ] {
            assert_eq!(taken(&mut introduced(), message), Err(code), "{message}");
        }
        let mut silent = Connection::new(100, 1000);
        assert_eq!(taken(&mut silent, &subscribe(1)), Err(4401));
    }

    #[test]
    fn an_id_is_used_once_at_a_time() {
        let mut connection = introduced();
        assert_eq!(taken(&mut connection, &subscribe(1)), Ok(()));
        assert_eq!(taken(&mut connection, &subscribe(1)), Err(4409));
        assert!(connection.passes(r#"{"type":"complete","id":"1"}"#));
        assert_eq!(taken(&mut connection, &subscribe(1)), Ok(()));
    }

    #[test]
    fn what_a_client_ended_does_not_end_what_it_began_since() {
        let mut connection = introduced();
        let stop = r#"{"type":"complete","id":"1"}"#;
        assert_eq!(taken(&mut connection, &subscribe(1)), Ok(()));
        assert_eq!(taken(&mut connection, stop), Ok(()));
        assert_eq!(taken(&mut connection, &subscribe(1)), Ok(()));
        assert!(!connection.passes(stop), "the end of the first");
        assert!(connection.passes(stop), "the end of the second");
        assert!(connection.stopped.is_empty() && connection.running.is_empty());
    }

    #[test]
    fn operations_of_a_connection_are_bounded() {
        let mut connection = introduced();
        for id in 0..100 {
            assert_eq!(taken(&mut connection, &subscribe(id)), Ok(()));
        }
        assert_eq!(taken(&mut connection, &subscribe(100)), Err(4429));
    }

    #[test]
    fn a_message_is_no_larger_than_a_request() {
        let mut message = subscribe(1);
        message.push_str(&" ".repeat(1000 - message.len()));
        assert_eq!(taken(&mut introduced(), &message), Ok(()));
        message.push(' ');
        assert_eq!(taken(&mut introduced(), &message), Err(1009));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_waited_for_no_longer_than_said() {
        let (nobody, _receiver) = futures::channel::mpsc::channel::<Message>(0);
        let mut full = Box::pin(nobody);
        let began = tokio::time::Instant::now();
        assert!(!send(&mut full, Duration::from_secs(20), Message::text("b")).await);
        assert_eq!(began.elapsed(), Duration::from_secs(20));
    }

    #[test]
    fn a_token_is_taken_with_or_without_its_scheme() {
        for payload in [
            r#"{"Authorization":"Bearer t"}"#,
            r#"{"authorization":"bearer t"}"#,
            r#"{"Authorization":"t"}"#,
        ] {
            let payload = serde_json::from_str(payload).unwrap_or_default();
            assert_eq!(introduced_by(&payload).as_deref(), Some("t"));
        }
        assert_eq!(introduced_by(&serde_json::json!({"token": 1})), None);
    }
}
