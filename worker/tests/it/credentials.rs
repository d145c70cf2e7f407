//! The worker's token from a provider: when it is asked for, and what is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use runtime::clock::ManualClock;
use runtime::secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use worker::client::{ApiError, ClientCredentials, ClientCredentialsSettings, TokenSource as _};

#[derive(Default)]
struct Provider {
    base: String,
    /// What it calls itself, if not by its name.
    name: Option<String>,
    /// What the token endpoint answers, in turn; then tokens with numbers.
    answers: VecDeque<Response>,
    asked: Vec<(String, HeaderMap, String)>,
}

type Shared = Arc<Mutex<Provider>>;

async fn answer(
    State(provider): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut provider = provider.lock().unwrap();
    provider.asked.push((uri.path().to_owned(), headers, body));
    let base = provider.base.clone();
    match uri.path() {
        "/.well-known/openid-configuration" => {
            let name = provider.name.clone().unwrap_or_else(|| base.clone());
            axum::Json(json!({"issuer": name, "token_endpoint": format!("{base}/token")}))
                .into_response()
        }
        "/token" => {
            let number = provider.times("/token");
            let next = provider.answers.pop_front();
            next.unwrap_or_else(|| token(&format!("token-{number}"), &json!(300)))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn token(token: &str, expires_in: &Value) -> Response {
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in});
    axum::Json(body).into_response()
}

impl Provider {
    fn times(&self, path: &str) -> usize {
        self.asked
            .iter()
            .filter(|(asked, ..)| asked == path)
            .count()
    }
}

struct World {
    provider: Shared,
    clock: Arc<ManualClock>,
    tokens: Arc<ClientCredentials>,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut ClientCredentialsSettings)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let provider = Shared::default();
        provider.lock().unwrap().base.clone_from(&base);
        let router = Router::new().fallback(answer).with_state(provider.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut settings = ClientCredentialsSettings {
            issuer: base,
            client_id: "worker".into(),
            client_secret: "hunter2".into(),
            scope: None,
            audience: None,
            plain_http: false,
        };
        change(&mut settings);
        let clock = Arc::<ManualClock>::default();
        let tokens = ClientCredentials::new(settings, clock.clone()).unwrap();
        Self {
            provider,
            clock,
            tokens: Arc::new(tokens),
        }
    }

    async fn token(&self) -> Result<String, ApiError> {
        let token = self.tokens.token().await?;
        Ok(token.expose_secret().to_owned())
    }

    /// The next answers of the token endpoint.
    fn answers(&self, answers: impl IntoIterator<Item = Response>) {
        self.provider.lock().unwrap().answers.extend(answers);
    }

    fn times(&self) -> usize {
        self.provider.lock().unwrap().times("/token")
    }
}

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_its_end() {
    let world = World::new().await;
    assert_eq!(world.token().await.unwrap(), "token-1");
    world.clock.advance(Duration::from_secs(269));
    assert_eq!(world.token().await.unwrap(), "token-1");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.token().await.unwrap(), "token-2");
    assert_eq!(world.times(), 2);
}

#[tokio::test]
async fn a_token_is_asked_for_once_by_a_hundred_at_once() {
    let world = World::new().await;
    let all = futures::future::join_all((0..100).map(|_| world.token())).await;
    assert!(
        all.into_iter()
            .all(|token| token.as_deref() == Ok("token-1"))
    );
    assert_eq!(world.times(), 1);
}

#[tokio::test]
async fn name_and_secret_are_encoded_before_they_are_put_together() {
    let world = World::with(|settings| {
        settings.client_id = "wörker:1".into();
        settings.client_secret = "p&ss w+rd%".into();
        settings.scope = Some("muniment offline".into());
        settings.audience = Some("https://archive.example/api".into());
    })
    .await;
    world.token().await.unwrap();
    let provider = world.provider.lock().unwrap();
    let (_, headers, body) = provider.asked.last().unwrap();
    // `w%C3%B6rker%3A1:p%26ss+w%2Brd%25`
    assert_eq!(
        headers["authorization"],
        "Basic dyVDMyVCNnJrZXIlM0ExOnAlMjZzcyt3JTJCcmQlMjU="
    );
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let target = "https%3A%2F%2Farchive.example%2Fapi";
    assert_eq!(
        *body,
        format!(
            "grant_type=client_credentials&scope=muniment+offline&audience={target}&resource={target}"
        )
    );
}

#[tokio::test]
async fn a_token_that_the_api_refused_is_replaced_and_an_older_one_replaces_nothing() {
    let world = World::new().await;
    let old: SecretString = world.token().await.unwrap().into();
    world.tokens.refused(&old);
    assert_eq!(world.token().await.unwrap(), "token-2");
    world.tokens.refused(&old);
    assert_eq!(world.token().await.unwrap(), "token-2");
    assert_eq!(world.times(), 2);
}

#[tokio::test]
async fn a_provider_that_is_down_leaves_the_token_at_hand_to_its_end() {
    let world = World::new().await;
    world.token().await.unwrap();
    let down = || StatusCode::SERVICE_UNAVAILABLE.into_response();
    world.answers([down(), down()]);
    world.clock.advance(Duration::from_secs(280));
    assert_eq!(world.token().await.unwrap(), "token-1");
    world.clock.advance(Duration::from_secs(20));
    let error = world.token().await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(world.token().await.unwrap(), "token-4", "it is back");
}

#[tokio::test]
async fn a_short_token_is_used_for_half_of_its_time_and_one_of_unknown_length_for_little() {
    for (expires_in, seconds) in [(json!(20), 10), (json!(null), 30)] {
        let world = World::new().await;
        world.answers([token("short", &expires_in)]);
        assert_eq!(world.token().await.unwrap(), "short");
        world.clock.advance(Duration::from_secs(seconds - 1));
        assert_eq!(world.token().await.unwrap(), "short");
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.token().await.unwrap(), "token-2");
    }
}

#[tokio::test]
async fn a_refusal_tells_the_code_and_never_the_secret() {
    let world = World::new().await;
    let denied = json!({"error": "invalid_client", "error_description": "hunter2 is wrong"});
    world.answers([(StatusCode::UNAUTHORIZED, axum::Json(denied)).into_response()]);
    let error = world.token().await.unwrap_err().to_string();
    assert!(error.contains("401 invalid_client"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn what_is_no_token_is_not_taken() {
    let long = "x".repeat(16 * 1024 + 1);
    for answer in [
        "<html>".into_response(),
        token("", &json!(300)),
        token("two\r\nlines", &json!(300)),
        token(&long, &json!(300)),
        token("a b", &json!(300)),
        token("a", &json!(-1)),
        axum::Json(json!({"access_token": "a", "token_type": "mac"})).into_response(),
        axum::Json(json!({"error": "slow_down"})).into_response(),
        "x".repeat(1 << 20).into_response(),
    ] {
        let world = World::new().await;
        world.answers([answer]);
        assert!(matches!(world.token().await, Err(ApiError::Token(_))));
    }
}

#[tokio::test]
async fn a_redirect_takes_the_secret_nowhere() {
    let world = World::new().await;
    let base = world.provider.lock().unwrap().base.clone();
    world.answers([(
        StatusCode::TEMPORARY_REDIRECT,
        [(header::LOCATION, format!("{base}/elsewhere"))],
    )
        .into_response()]);
    assert!(world.token().await.is_err());
    assert_eq!(world.provider.lock().unwrap().times("/elsewhere"), 0);
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_gets_no_secret() {
    let world = World::new().await;
    world.provider.lock().unwrap().name = Some("https://evil.example".into());
    let error = world.token().await.unwrap_err().to_string();
    assert!(error.contains("evil.example"), "{error}");
    assert_eq!(world.times(), 0);
}

#[test]
fn a_provider_is_not_asked_over_plain_http_unless_it_is_on_this_machine() {
    let settings = |issuer: &str| ClientCredentialsSettings {
        issuer: issuer.into(),
        client_id: "worker".into(),
        client_secret: "hunter2".into(),
        scope: None,
        audience: None,
        plain_http: false,
    };
    let clock = || Arc::<ManualClock>::default();
    assert!(ClientCredentials::new(settings("http://id.example.org"), clock()).is_err());
    assert!(ClientCredentials::new(settings("https://id.example.org"), clock()).is_ok());
    let plain = ClientCredentialsSettings {
        plain_http: true,
        ..settings("http://id.example.org")
    };
    assert!(ClientCredentials::new(plain, clock()).is_ok());
}
