//! GraphQL over a websocket, by the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! Owns what keeps a connection in bounds: the time to introduce oneself, pings, how many operations there
//! may be, a client that never reads, and the close codes. Does not own what operations do.
//!
//! Always: everything that waits has an end; what a client sends is only read when there is room for it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_graphql::{
    Executor, Request, Response,
    http::{ClientMessage, WebSocket as Protocol, WebSocketProtocols, WsMessage},
    parser::types::OperationType,
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{Sink, SinkExt as _, StreamExt as _, stream, stream::BoxStream};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    ApiSchema, document,
    http::{Endpoint, InSpan, TIMEOUT, out_of_time, span, with_codes},
};

/// The most operations of one connection at a time.
const OPERATIONS: usize = 100;
/// How long a client may take to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);
/// How long it may then be silent.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a client may take to read one message.
const SEND: Duration = Duration::from_secs(20);
/// How many messages of a client wait to be worked on.
const INBOX: usize = 16;

/// Why the server closes a connection: a code of the protocol, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Close(u16, &'static str);

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
        schema: endpoint.schema.clone(),
        id: id.as_str().into(),
    };
    let messages = ReceiverStream::new(messages).map(Ok);
    let answers = Protocol::from_message_stream(executor, messages, WebSocketProtocols::GraphQLWS)
        .on_connection_init(move |payload| async move {
            let token = introduced_by(&payload).or(token);
            Ok(endpoint.data(token.as_deref(), &id).await)
        })
        .keepalive_timeout(SILENCE);
    let mut answers = std::pin::pin!(answers);
    let mut connection = Connection::default();
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
                    if !send(&mut sink, Message::text(text)).await {
                        return;
                    }
                }
                Some(WsMessage::Text(_)) => {}
                Some(WsMessage::Close(3008, _)) => break Close(4408, "no answer to a ping"),
                Some(WsMessage::Close(..)) => break Close(1011, "the connection cannot go on"),
                None => return,
            },
            _ = pings.tick() => {
                if !send(&mut sink, Message::text(r#"{"type":"ping"}"#)).await {
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
    send(&mut sink, Message::Close(Some(frame))).await;
}

/// Whether the client took it in time.
async fn send(sink: &mut (impl Sink<Message> + Unpin), message: Message) -> bool {
    matches!(
        tokio::time::timeout(SEND, sink.send(message)).await,
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

/// What a connection has said so far.
#[derive(Default)]
struct Connection {
    introduced: bool,
    running: HashSet<String>,
    /// Ended by the client: their `complete` must not reach a new operation of the same id.
    stopped: HashMap<String, usize>,
}

impl Connection {
    /// A message of the client, if it may say that now.
    fn take(&mut self, text: &[u8]) -> Result<ClientMessage, Close> {
        let message = ClientMessage::from_bytes(text)
            .map_err(|_| Close(4400, "not a message of graphql-transport-ws"))?;
        match &message {
            ClientMessage::ConnectionInit { .. } if self.introduced => {
                return Err(Close(4429, "Too many initialisation requests"));
            }
            ClientMessage::ConnectionInit { .. } => self.introduced = true,
            ClientMessage::Start { .. } if !self.introduced => {
                return Err(Close(4401, "Unauthorized"));
            }
            ClientMessage::Start { .. } if self.running.len() >= OPERATIONS => {
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
    schema: ApiSchema,
    id: Arc<str>,
}

impl Executor for Answers {
    async fn execute(&self, request: Request) -> Response {
        with_codes(self.schema.execute(request).await, &self.id)
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session: Option<Arc<async_graphql::Data>>,
    ) -> BoxStream<'static, Response> {
        let id = Arc::clone(&self.id);
        let operation = match document::choose(&mut request) {
            Ok(chosen) => chosen.ty,
            Err(error) => {
                let answer = with_codes(Response::from_errors(vec![error]), &id);
                return stream::once(async { answer }).boxed();
            }
        };
        // Loaders of its own: one operation that is dropped never takes what another waits for.
        request.data = self.endpoint.loaders(session.as_deref());
        let answers = Executor::execute_stream(&self.schema, request, session);
        let mut answers = InSpan::new(answers, span(&id)).boxed();
        if operation != OperationType::Subscription {
            answers = stream::once(async move {
                let answer = tokio::time::timeout(TIMEOUT, answers.next()).await;
                answer.ok().flatten().unwrap_or_else(out_of_time)
            })
            .boxed();
        }
        answers.map(move |answer| with_codes(answer, &id)).boxed()
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
        let mut connection = Connection::default();
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
        ] {
            assert_eq!(taken(&mut introduced(), message), Err(code), "{message}");
        }
        let mut silent = Connection::default();
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
        for id in 0..OPERATIONS {
            assert_eq!(taken(&mut connection, &subscribe(id)), Ok(()));
        }
        assert_eq!(taken(&mut connection, &subscribe(OPERATIONS)), Err(4429));
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
