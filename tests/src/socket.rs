//! A client of subscriptions over a websocket, by the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::Answer;

/// The longest that a test waits for one message.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open websocket.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    /// Opens one at a GraphQL endpoint, offering a subprotocol.
    pub async fn open(url: &str, protocol: &str) -> Result<Self, tungstenite::Error> {
        let mut request = url.replacen("http", "ws", 1).into_client_request()?;
        let protocol = HeaderValue::from_str(protocol).expect("the name of a subprotocol");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol.clone());
        let (socket, answer) = tokio_tungstenite::connect_async(request).await?;
        assert_eq!(
            answer.headers().get("sec-websocket-protocol"),
            Some(&protocol),
            "the server takes the subprotocol"
        );
        Ok(Self(socket))
    }

    /// Opens one and introduces oneself by a token.
    pub async fn signed_in(url: &str, token: &str) -> Self {
        let mut socket = Self::open(url, "graphql-transport-ws")
            .await
            .expect("the server takes a websocket");
        let payload = json!({"Authorization": format!("Bearer {token}")});
        socket
            .send(json!({"type": "connection_init", "payload": payload}))
            .await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    /// Begins an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"type": "subscribe", "id": id, "payload": payload}))
            .await;
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("the server reads");
    }

    /// Sends a message; answers whether the server still takes any.
    pub async fn try_send(&mut self, message: Value) -> bool {
        let sent = self.0.send(Message::text(message.to_string()));
        matches!(tokio::time::timeout(PATIENCE, sent).await, Ok(Ok(())))
    }

    /// Whether the server ends the connection, in whichever way.
    pub async fn ended(&mut self) -> bool {
        let end = async {
            loop {
                match self.0.next().await {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, end).await.is_ok()
    }

    /// Whether the server ends the connection though nobody reads from it.
    pub async fn is_let_go(&mut self) -> bool {
        let ping = json!({"type": "pong"});
        let began = std::time::Instant::now();
        while began.elapsed() < PATIENCE {
            if !self.try_send(ping.clone()).await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// The next message of the protocol.
    pub async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).expect("a message is JSON"),
            other => panic!("a message was expected: {other:?}"),
        }
    }

    /// Runs a query or mutation, or a subscription to its first answer. What comes of others meanwhile is lost.
    pub async fn ask(&mut self, query: &str, variables: Value) -> Answer {
        let id = format!("asked {}", rand::random::<u64>());
        self.subscribe(&id, query, variables).await;
        let mut message = self.next().await;
        while message["id"] != *id {
            message = self.next().await;
        }
        let answer = match message["type"].as_str() {
            Some("error") => json!({"errors": message["payload"]}),
            _ => message["payload"].take(),
        };
        self.send(json!({"type": "complete", "id": id})).await;
        Answer(answer)
    }

    /// Begins a message of so many bytes, and sends none of them.
    pub async fn announce(&mut self, bytes: u64) {
        // A whole text, masked, whose length follows in 64 bits, and the mask.
        let mut head = vec![0x81, 0x80 | 127];
        head.extend(bytes.to_be_bytes());
        head.extend([0; 4]);
        let sent = self.0.get_mut().write_all(&head).await;
        sent.expect("the server reads");
    }

    /// The code that the server closes with.
    pub async fn closed(&mut self) -> u16 {
        self.closed_for().await.0
    }

    /// The code that the server closes with, and why it does.
    pub async fn closed_for(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.frame().await {
                return frame.map_or((1005, String::new()), |frame| {
                    (frame.code.into(), frame.reason.to_string())
                });
            }
        }
    }

    async fn frame(&mut self) -> Message {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("a message comes in time")
                .expect("the websocket is open")
                .expect("a message can be read");
            if !matches!(frame, Message::Ping(_) | Message::Pong(_)) {
                return frame;
            }
        }
    }
}
