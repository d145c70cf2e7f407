//! GraphQL over HTTP: one request in, one answer or a stream of them out.
//!
//! Owns content negotiation, the session of a request, and what every error carries. Does not own sockets
//! (`server`).
//!
//! Always: only `application/json` is taken, so that no form of another site can call (CSRF); GET only reads;
//! no batches; a request ends in time; every error has a code and the request's id.

use std::{
    any::TypeId,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use async_graphql::{Data, Request, Response, ServerError, Value, parser::types::OperationType};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts as _, Query, State, WebSocketUpgrade, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response as HttpResponse, Sse, sse},
};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use runtime::telemetry::trace;
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument as _;

use super::{ApiSchema, context::Session, document, loaders::Loaders, socket};
use crate::{
    App, Error,
    auth::{Caller, token::TokenVerifier},
    graphql::errors::Seen,
};

/// The longest that a query or mutation may take.
pub(super) const TIMEOUT: Duration = Duration::from_mins(1);
/// The most errors that are answered.
const ERRORS: usize = 20;

/// What the handler works with.
#[derive(Clone)]
pub struct Endpoint {
    /// The schema.
    pub schema: ApiSchema,
    /// The handles.
    pub app: App,
    /// Who is who.
    pub verifier: Arc<dyn TokenVerifier>,
}

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

impl Endpoint {
    async fn session(&self, bearer: Option<&str>, request_id: &str) -> Option<Session> {
        let token = bearer?;
        Some(match self.verifier.verify(token).await {
            Ok(actor) => Ok(Caller {
                actor,
                request_id: request_id.to_owned(),
            }),
            Err(error) => Err(Seen::of(error).message),
        })
    }

    pub(super) async fn data(&self, bearer: Option<&str>, request_id: &str) -> Data {
        let mut data = Data::default();
        if let Some(session) = self.session(bearer, request_id).await {
            if let Ok(caller) = &session {
                data.insert(Loaders::new(&self.app, &caller.actor));
            }
            data.insert::<Session>(session);
        }
        data
    }

    /// Loaders for one more operation of a session.
    pub(super) fn loaders(&self, session: Option<&Data>) -> Data {
        let mut data = Data::default();
        let session = session.and_then(|data| data.get(&TypeId::of::<Session>()));
        if let Some(Ok(caller)) = session.and_then(|session| session.downcast_ref::<Session>()) {
            data.insert(Loaders::new(&self.app, &caller.actor));
        }
        data
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A request by GET (RFC 3986 query string).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetQuery {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
}

/// `GET /graphql`: a query, a subscription by server-sent events, or the way to a websocket.
pub async fn get(State(endpoint): State<Endpoint>, mut parts: Parts) -> HttpResponse {
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &endpoint).await {
            Ok(upgrade) => websocket(endpoint, upgrade, &parts.headers),
            Err(error) => error.into_response(),
        };
    }
    let Ok(Query(query)) = Query::<GetQuery>::try_from_uri(&parts.uri) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "BAD_USER_INPUT",
            "the query string cannot be read",
        );
    };
    let Some(text) = query.query else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "BAD_USER_INPUT",
            "`query` is missing",
        );
    };
    let mut request = Request::new(text);
    request.operation_name = query.operation_name;
    if let Some(variables) = query.variables {
        match serde_json::from_str(&variables) {
            Ok(variables) => request.variables = async_graphql::Variables::from_json(variables),
            Err(_) => {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "BAD_USER_INPUT",
                    "`variables` is no JSON",
                );
            }
        }
    }
    respond(endpoint, &parts.headers, &Method::GET, request).await
}

/// `POST /graphql`: a query, a mutation, or a subscription by server-sent events.
pub async fn post(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> HttpResponse {
    let body = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "TOO_LARGE",
                &format!(
                    "a request has at most {} bytes; send fewer items a call",
                    crate::server::BODY
                ),
            );
        }
        Err(_) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "BAD_USER_INPUT",
                "the body broke off",
            );
        }
    };
    if !is_json(&headers) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "BAD_USER_INPUT",
            "send `Content-Type: application/json`",
        );
    }
    match serde_json::from_slice::<Request>(&body) {
        Ok(request) => respond(endpoint, &headers, &Method::POST, request).await,
        Err(error) => {
            let message = format!("the body is no GraphQL request: {error}");
            refuse(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", &message)
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(content) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let media = content.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

fn refuse(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    let body = json!({"errors": [{"message": message, "extensions": {"code": code}}]});
    (status, Json(body)).into_response()
}

fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

async fn respond(
    endpoint: Endpoint,
    headers: &HeaderMap,
    method: &Method,
    mut request: Request,
) -> HttpResponse {
    let id = request_id(&endpoint.app, headers);
    let (operation, field) = match document::choose(&mut request) {
        Ok(chosen) => (chosen.ty, chosen.field),
        Err(error) => return finish(Response::from_errors(vec![error]), &id),
    };
    if method == Method::GET && operation == OperationType::Mutation {
        let mut answer = refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "BAD_USER_INPUT",
            "a mutation is sent by POST",
        );
        answer
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    request.data = endpoint.data(bearer(headers), &id).await;
    if wants_events(headers) && operation == OperationType::Subscription {
        return events(&endpoint.schema, request, id);
    }
    if operation == OperationType::Subscription {
        return refuse(
            StatusCode::NOT_ACCEPTABLE,
            "BAD_USER_INPUT",
            "a subscription needs `Accept: text/event-stream`, or a websocket (graphql-transport-ws)",
        );
    }
    let began = std::time::Instant::now();
    let span = span(&id);
    trace::go_on(&span, traceparent(headers));
    let work = endpoint.schema.execute(request).instrument(span);
    let answer = tokio::time::timeout(TIMEOUT, work).await;
    // Where there is data, the field is one of the schema: nobody can make up labels.
    let executed = matches!(&answer, Ok(answer) if answer.data != Value::Null);
    let label = field
        .filter(|_| executed)
        .unwrap_or_else(|| "refused".to_owned());
    metrics::histogram!("muniment_api_request_seconds", "operation" => label)
        .record(began.elapsed().as_secs_f64());
    let answer = answer.unwrap_or_else(|_| out_of_time());
    finish(answer, &id)
}

/// The answer to what took too long.
pub(super) fn out_of_time() -> Response {
    let seen = Seen::of(Error::Unavailable("a request ran out of time".into()));
    let mut error = ServerError::new(seen.message, None);
    error
        .extensions
        .get_or_insert_default()
        .set("code", seen.code);
    Response::from_errors(vec![error])
}

/// The trace that a client goes on with.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(trace::TRACEPARENT)?.to_str().ok()
}

/// Puts the id of a request on every line that is logged for it.
pub(super) fn span(id: &str) -> tracing::Span {
    tracing::info_span!("request", id)
}

fn finish(answer: Response, id: &str) -> HttpResponse {
    let headers = answer.http_headers.clone();
    let mut http = Json(with_codes(answer, id)).into_response();
    http.headers_mut().extend(headers);
    if let Ok(value) = HeaderValue::from_str(id) {
        http.headers_mut().insert("x-request-id", value);
    }
    http
}

/// Sees to it that each error has a code and the request's id, and that there are not too many of them.
pub(super) fn with_codes(mut answer: Response, id: &str) -> Response {
    answer.errors.truncate(ERRORS);
    for error in &mut answer.errors {
        let limit = is_limit(&error.message);
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set(
                "code",
                if limit {
                    "LIMIT_EXCEEDED"
                } else {
                    "BAD_USER_INPUT"
                },
            );
        }
        extensions.set("requestId", Value::from(id));
    }
    answer
}

/// The library's own refusals of queries that are too large carry no code.
fn is_limit(message: &str) -> bool {
    [
        "too deep",
        "too complex",
        "recursion depth",
        "directives on the field",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// GraphQL over server-sent events, distinct connections mode: `next` for each answer, then `complete`.
fn events(schema: &ApiSchema, request: Request, id: String) -> HttpResponse {
    let answers = InSpan::new(schema.execute_stream(request).boxed(), span(&id));
    let stream = answers.map(move |answer| {
        let answer = with_codes(answer, &id);
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

/// The token comes in the header of the upgrade, or as `Authorization` in the payload of `connection_init`.
fn websocket(endpoint: Endpoint, upgrade: WebSocketUpgrade, headers: &HeaderMap) -> HttpResponse {
    const PROTOCOL: &str = "graphql-transport-ws";
    let upgrade = upgrade.max_message_size(1 << 20).protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return refuse(
            StatusCode::BAD_REQUEST,
            "BAD_USER_INPUT",
            "offer the subprotocol graphql-transport-ws",
        );
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
