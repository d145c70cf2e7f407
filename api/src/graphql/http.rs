//! GraphQL over HTTP: one request in, one answer or a stream of them out
//! (<https://graphql.github.io/graphql-over-http/draft/>).
//!
//! Owns methods, media types and statuses, and what every error carries. Does not own what a request may ask for
//! (`endpoint`) or sockets (`server`).
//!
//! Always: only `application/json` is taken, and a token only from its header, so that no form of another site can
//! call (CSRF); GET only reads; no batches; a request ends in time; every error has a code and the request's id.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use async_graphql::{Response, ServerError, Value, parser::types::OperationType};
use axum::{
    body::Bytes,
    extract::{FromRequest as _, FromRequestParts as _, Request, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response as HttpResponse, Sse, sse},
};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use runtime::telemetry::trace;
use serde::Serialize;
use tracing::Instrument as _;

use super::{
    Endpoint,
    endpoint::{Admitted, Asked},
    errors::server_error,
    negotiation::{Accepted, Media, is_json},
    parameters::Parameters,
    socket,
    timing::Timing,
};
use crate::{App, Error};

/// The longest message of an error: the library repeats what was sent.
const MESSAGE: usize = 1000;
/// Who sends it is told in `extensions` what the request costs.
const COST: &str = "muniment-cost";

/// The id of a request: the client's, if it is one, else a new one.
pub fn request_id(app: &App, headers: &HeaderMap) -> String {
    headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
        .map_or_else(|| app.ids().uuid7().to_string(), str::to_owned)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whoever offers another protocol (`h2c`) is answered in this one.
fn wants_websocket(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::UPGRADE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// `GET /graphql`: a query, a subscription by server-sent events, or the way to a websocket.
pub async fn get(State(endpoint): State<Endpoint>, mut parts: Parts) -> HttpResponse {
    if wants_websocket(&parts.headers) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &endpoint).await {
            Ok(upgrade) => websocket(endpoint, upgrade, &parts.headers),
            Err(error) => {
                let refused = Error::input("Upgrade", error.body_text());
                Call::new(&endpoint, &parts.headers, &Method::GET).refuse(error.status(), refused)
            }
        };
    }
    let call = Call::new(&endpoint, &parts.headers, &Method::GET);
    match Parameters::from_uri(&parts.uri) {
        Ok(parameters) => call.answer(parameters).await,
        Err(error) => call.refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// `POST /graphql`: a query, a mutation, or a subscription by server-sent events.
pub async fn post(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    request: Request,
) -> HttpResponse {
    let mut call = Call::new(&endpoint, &headers, &Method::POST);
    if !is_json(&headers) {
        let message = "send `Content-Type: application/json`, in UTF-8 and not packed";
        let error = Error::input("Content-Type", message);
        return call.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, error);
    }
    let limit = endpoint.settings.limits.time;
    let body = tokio::time::timeout(limit, Bytes::from_request(request, &endpoint)).await;
    let body = match body {
        Ok(Ok(body)) => body,
        Err(_) => {
            let message = format!("the body was not there after {} s", limit.as_secs_f64());
            let error = Error::input("body", message);
            return call.refuse(StatusCode::REQUEST_TIMEOUT, error);
        }
        Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let most = endpoint.settings.limits.body;
            let message = format!("a request has at most {most} bytes; send fewer items a call");
            return call.refuse(StatusCode::PAYLOAD_TOO_LARGE, Error::Limit(message));
        }
        Ok(Err(_)) => {
            let error = Error::input("body", "the body broke off");
            return call.refuse(StatusCode::BAD_REQUEST, error);
        }
    };
    // How long a client takes to send is not ours.
    call.timing = Timing::begin();
    match Parameters::from_body(&body) {
        Ok(parameters) => call.answer(parameters).await,
        Err(error) => call.refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// One request over HTTP.
struct Call<'a> {
    endpoint: &'a Endpoint,
    headers: &'a HeaderMap,
    method: &'a Method,
    accepted: Accepted,
    id: String,
    timing: Timing,
}

impl<'a> Call<'a> {
    fn new(endpoint: &'a Endpoint, headers: &'a HeaderMap, method: &'a Method) -> Self {
        Self {
            endpoint,
            headers,
            method,
            accepted: Accepted::by(headers),
            id: request_id(&endpoint.app, headers),
            timing: Timing::begin(),
        }
    }

    /// Whatever is logged meanwhile has the request's id.
    async fn answer(self, parameters: Parameters) -> HttpResponse {
        let span = span(&self.id);
        trace::go_on(&span, traceparent(self.headers));
        self.answer_in_span(parameters).instrument(span).await
    }

    async fn answer_in_span(mut self, parameters: Parameters) -> HttpResponse {
        if !self.accepted.is_any() {
            return self.not_acceptable(
                "answers are `application/graphql-response+json` or `application/json`",
            );
        }
        let asked = match self.endpoint.read(parameters) {
            Ok(asked) => asked,
            Err(error) => return self.fail(error),
        };
        self.timing.is_of(&asked.chosen);
        let operation = asked.chosen.ty;
        if *self.method == Method::GET && operation == OperationType::Mutation {
            let error = Error::input("query", "a mutation is sent by POST");
            let mut answer = self.refuse(StatusCode::METHOD_NOT_ALLOWED, error);
            answer
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
            return answer;
        }
        if operation == OperationType::Subscription && !self.accepted.events {
            return self.not_acceptable(
                "a subscription needs `Accept: text/event-stream`, or a websocket (graphql-transport-ws)",
            );
        }
        match self.accepted.document {
            Some(media) if operation != OperationType::Subscription => {
                self.document(asked, media).await
            }
            _ => self.events(asked).await,
        }
    }

    /// One answer.
    async fn document(self, asked: Asked, media: Media) -> HttpResponse {
        let admitted = self.endpoint.admit(asked, bearer(self.headers), &self.id);
        let admitted = match admitted.await {
            Ok(admitted) => admitted,
            Err(error) => return self.fail(error),
        };
        let meter = std::sync::Arc::clone(&admitted.meter);
        let mut answer = self.endpoint.execute(admitted).await;
        self.timing.answered(&answer, &meter);
        let limits = &self.endpoint.settings.limits;
        if self.headers.contains_key(COST) {
            answer
                .extensions
                .insert("cost".to_owned(), meter.cost(limits));
        }
        let has_data = meter.is_executed() && !is_out_of_time(&answer);
        self.finish(answer, has_data, media)
    }

    /// GraphQL over server-sent events, distinct connections mode: `next` for each answer, then `complete`.
    async fn events(self, asked: Asked) -> HttpResponse {
        let operation = asked.chosen.ty;
        let admitted = self.endpoint.admit(asked, bearer(self.headers), &self.id);
        let admitted: Admitted = match admitted.await {
            Ok(admitted) => admitted,
            Err(error) => return self.fail(error),
        };
        let meter = std::sync::Arc::clone(&admitted.meter);
        let answers = self.endpoint.stream(admitted, operation);
        let answers = self.timing.first_of(answers, meter);
        let answers = InSpan::new(answers, tracing::Span::current());
        let (id, most) = (self.id, self.endpoint.settings.limits.errors);
        let stream = answers.map(move |answer| {
            let answer = with_codes(answer, &id, most);
            let text = serde_json::to_string(&answer).unwrap_or_default();
            sse::Event::default().event("next").data(text)
        });
        let end = futures::stream::iter([sse::Event::default().event("complete").data("")]);
        let stream: Pin<Box<dyn Stream<Item = Result<sse::Event, Infallible>> + Send>> =
            Box::pin(stream.chain(end).map(Ok));
        Sse::new(stream)
            .keep_alive(sse::KeepAlive::new().interval(Duration::from_secs(15)))
            .into_response()
    }

    /// What is no well-formed request, whichever form the answer has.
    fn refuse(&self, status: StatusCode, error: Error) -> HttpResponse {
        self.timing.refused();
        let answer = Response::from_errors(vec![server_error(error)]);
        let media = self.accepted.document.unwrap_or(Media::Json);
        self.send(status, answer, false, media)
    }

    fn not_acceptable(&self, message: &str) -> HttpResponse {
        self.refuse(StatusCode::NOT_ACCEPTABLE, Error::input("Accept", message))
    }

    /// What is refused before it is executed.
    fn fail(&self, error: ServerError) -> HttpResponse {
        self.timing.refused();
        let media = self.accepted.document.unwrap_or(Media::Json);
        self.finish(Response::from_errors(vec![error]), false, media)
    }

    fn finish(&self, answer: Response, has_data: bool, media: Media) -> HttpResponse {
        let status = match media {
            Media::Json => StatusCode::OK,
            Media::GraphqlResponse if has_data => StatusCode::OK,
            Media::GraphqlResponse => status_of(&answer, self.endpoint.settings.invalid),
        };
        self.send(status, answer, has_data, media)
    }

    fn send(
        &self,
        status: StatusCode,
        answer: Response,
        has_data: bool,
        media: Media,
    ) -> HttpResponse {
        let answer = with_codes(answer, &self.id, self.endpoint.settings.limits.errors);
        let body = serde_json::to_vec(&Body::of(&answer, has_data)).unwrap_or_default();
        let headers = [
            (header::CONTENT_TYPE, media.content_type()),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut http = (status, headers, body).into_response();
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            http.headers_mut().insert("x-request-id", value);
        }
        http
    }
}

/// An answer on the wire: what was not executed has no `data`, not even null.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

impl<'a> Body<'a> {
    fn of(answer: &'a Response, has_data: bool) -> Self {
        Self {
            data: has_data.then_some(&answer.data),
            errors: &answer.errors,
            extensions: &answer.extensions,
        }
    }
}

fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// What ran out of time was being executed, but has no data.
fn is_out_of_time(answer: &Response) -> bool {
    answer.data == Value::Null && answer.errors.iter().all(|error| error.path.is_empty())
}

/// The status of an answer without data. `invalid`: of what is no valid document.
fn status_of(answer: &Response, invalid: StatusCode) -> StatusCode {
    match answer.errors.first().and_then(code) {
        Some("UNAUTHENTICATED") => StatusCode::UNAUTHORIZED,
        Some("FORBIDDEN") => StatusCode::FORBIDDEN,
        Some("NOT_FOUND") => StatusCode::NOT_FOUND,
        Some("UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
        Some("INTERNAL") => StatusCode::INTERNAL_SERVER_ERROR,
        _ => invalid,
    }
}

/// The trace that a client goes on with.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(trace::TRACEPARENT)?.to_str().ok()
}

/// Puts the id of a request on every line that is logged for it.
pub(super) fn span(id: &str) -> tracing::Span {
    tracing::info_span!("request", id)
}

/// Sees to it that each error has a code and the request's id, and that there are not too many of them.
pub(super) fn with_codes(mut answer: Response, id: &str, most: usize) -> Response {
    let left_out = answer.errors.len().saturating_sub(most);
    if left_out > 0 {
        answer.errors.truncate(most);
        let message = format!("{left_out} more errors are left out");
        answer.errors.push(server_error(Error::Limit(message)));
    }
    for error in &mut answer.errors {
        if let Some((end, _)) = error.message.char_indices().nth(MESSAGE) {
            error.message.truncate(end);
            error.message.push('…');
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "BAD_USER_INPUT");
        }
        extensions.set("requestId", Value::from(id));
    }
    answer
}

/// The token comes in the header of the upgrade, or as `Authorization` in the payload of `connection_init`.
fn websocket(endpoint: Endpoint, upgrade: WebSocketUpgrade, headers: &HeaderMap) -> HttpResponse {
    const PROTOCOL: &str = "graphql-transport-ws";
    // What is a little too large is read, so that whoever sends it gets to read why it is refused.
    let most = endpoint.settings.limits.body.saturating_mul(2);
    let upgrade = upgrade.max_message_size(most).max_frame_size(most);
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let error = Error::input(
            "Sec-WebSocket-Protocol",
            "offer the subprotocol graphql-transport-ws",
        );
        return Call::new(&endpoint, headers, &Method::GET).refuse(StatusCode::BAD_REQUEST, error);
    }
    let token = bearer(headers).map(str::to_owned);
    let id = request_id(&endpoint.app, headers);
    upgrade.on_upgrade(move |socket| socket::serve(endpoint, socket, token, id))
}

/// A stream whose every step is taken in a span.
pub(super) struct InSpan {
    answers: BoxStream<'static, Response>,
    span: tracing::Span,
}

impl InSpan {
    pub(super) fn new(answers: BoxStream<'static, Response>, span: tracing::Span) -> Self {
        Self { answers, span }
    }
}

impl Stream for InSpan {
    type Item = Response;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut TaskContext<'_>) -> Poll<Option<Response>> {
        let span = self.span.clone();
        span.in_scope(|| self.answers.poll_next_unpin(ctx))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};

    use super::*;
    use crate::{
        auth::{Actor, token::TokenVerifier},
        graphql::{Settings, limits::QueryLimits},
        testing::World,
    };

    const SOON: Duration = Duration::from_millis(20);

    /// Somebody who never says whose a token is.
    struct Hanging;

    #[async_trait::async_trait]
    impl TokenVerifier for Hanging {
        async fn verify(&self, _: &str) -> Result<Actor, Error> {
            std::future::pending().await
        }
    }

    fn endpoint(world: &World, time: Duration) -> Endpoint {
        let limits = QueryLimits {
            time,
            ..QueryLimits::default()
        };
        let settings = Settings {
            limits: Arc::new(limits),
            ..Settings::default()
        };
        Endpoint::new(world.app.clone(), Arc::new(Hanging), settings)
    }

    async fn told(answer: HttpResponse) -> (StatusCode, serde_json::Value) {
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn code(answer: &serde_json::Value) -> &str {
        answer["errors"][0]["extensions"]["code"].as_str().unwrap()
    }

    fn asking(name: &str, value: &str) -> Request {
        Request::builder()
            .uri("/graphql?query=%7B__typename%7D")
            .header(name, value)
            .body(Body::empty())
            .unwrap()
    }

    #[tokio::test]
    async fn only_who_asks_for_a_websocket_is_sent_there_and_what_is_refused_has_a_code() {
        let world = World::new().await;
        let endpoint = endpoint(&world, Duration::from_mins(1));
        let (parts, _) = asking("upgrade", "h2c").into_parts();
        let (status, answer) = told(get(State(endpoint.clone()), parts).await).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["data"]["__typename"], "Query");
        let (parts, _) = asking("upgrade", "WebSocket").into_parts();
        let (status, answer) = told(get(State(endpoint), parts).await).await;
        assert!(status.is_client_error(), "{status}");
        assert_eq!(code(&answer), "BAD_USER_INPUT");
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let world = World::new().await;
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::builder()
            .header("content-type", "application/json")
            .body(Body::from_stream(never))
            .unwrap();
        let headers = request.headers().clone();
        let answer = post(State(endpoint(&world, SOON)), headers, request).await;
        let (status, answer) = told(answer).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{answer}");
        assert_eq!(code(&answer), "BAD_USER_INPUT");
    }

    #[tokio::test]
    async fn a_token_that_nobody_judges_is_given_up() {
        let world = World::new().await;
        let (parts, _) = asking("authorization", "Bearer x").into_parts();
        let (_, answer) = told(get(State(endpoint(&world, SOON)), parts).await).await;
        assert_eq!(code(&answer), "UNAVAILABLE");
    }
}
