//! Updates from a server in this process, with everything that a server can do wrong.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use futures::{StreamExt, stream};
use runtime::shutdown::Shutdown;

use super::*;

const BINARY_XML: &str = include_str!("../../../tests/signatures/binary.xml");
const CONTAINER_XML: &str = include_str!("../../../tests/signatures/container.xml");

const INDEX_PATH: &str = "/signatures.json";
const BINARY_PATH: &str = "/signatures/DROID_SignatureFile_V201.xml";
const CONTAINER_PATH: &str = "/containers/container-signature-20260201.xml";
const SERVICE_PATH: &str = "/pronom/service.asmx";
const BESIDE_PATH: &str = "/pronom/container-signature.xml";

#[derive(Debug, Clone)]
enum Reply {
    Text(String),
    Status(u16),
    /// As many bytes are announced, and fewer sent.
    CutOff(String),
    Endless,
    /// Nothing comes, ever.
    Silence,
    /// Nothing comes after the beginning.
    Stall(String),
}

#[derive(Clone)]
struct Server {
    url: String,
    replies: Arc<Mutex<HashMap<&'static str, Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One that publishes V201 with container signatures 20260201, both ways.
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let server = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            replies: Arc::default(),
            asked: Arc::default(),
        };
        server.publish(201, "20260201");
        server.reply(BESIDE_PATH, Reply::Text(CONTAINER_XML.to_owned()));
        let router = Router::new().fallback(answer).with_state(server.clone());
        Shutdown::new().spawn("fake", async move { axum::serve(listener, router).await });
        server
    }

    fn publish(&self, version: u32, date: &str) {
        let index = serde_json::json!({
            "latest_signature": { "location": BINARY_PATH, "version": version.to_string() },
            "latest_container_signature": { "location": CONTAINER_PATH, "version": date },
        });
        self.reply(INDEX_PATH, Reply::Text(index.to_string()));
        self.reply(BINARY_PATH, Reply::Text(binary(version)));
        self.reply(CONTAINER_PATH, Reply::Text(CONTAINER_XML.to_owned()));
    }

    fn reply(&self, path: &'static str, reply: Reply) {
        self.replies.lock().expect("free").insert(path, reply);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("free"))
    }

    fn arguments(&self, data: &Path) -> Arguments {
        let at = |path: &str| Url::parse(&format!("{}{path}", self.url)).expect("an address");
        Arguments {
            from: Vec::new(),
            data: data.to_owned(),
            force: false,
            timeout: 1,
            index: at(INDEX_PATH),
            service: at(SERVICE_PATH),
        }
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    server.asked.lock().expect("free").push(path.clone());
    let action = request.headers().get("SOAPAction").cloned();
    let reply = server
        .replies
        .lock()
        .expect("free")
        .get(path.as_str())
        .cloned();
    let reply = match (reply, action) {
        (None, Some(action)) => service(action.to_str().expect("text")),
        (reply, _) => reply.unwrap_or(Reply::Status(404)),
    };
    let chunk = |text: String| stream::iter([Ok::<_, Infallible>(Bytes::from(text))]);
    let builder =
        Response::builder().header(header::LAST_MODIFIED, "Sun, 01 Feb 2026 09:30:00 GMT");
    match reply {
        Reply::Text(text) => builder.body(Body::from(text)),
        Reply::Status(status) => builder
            .status(StatusCode::from_u16(status).expect("a status"))
            .body(Body::from("<html>an error page</html>")),
        Reply::CutOff(text) => builder
            .header(header::CONTENT_LENGTH, text.len() + 1_000)
            .body(Body::from_stream(chunk(text))),
        Reply::Endless => {
            let block = Bytes::from(vec![b' '; 1 << 20]);
            builder.body(Body::from_stream(stream::repeat_with(move || {
                Ok::<_, Infallible>(block.clone())
            })))
        }
        Reply::Silence => std::future::pending().await,
        Reply::Stall(text) => builder.body(Body::from_stream(chunk(text).chain(stream::pending()))),
    }
    .expect("a response")
}

/// What the web service says unless a test has it say something else.
fn service(action: &str) -> Reply {
    let inside = match action {
        "\"http://pronom.nationalarchives.gov.uk:getSignatureFileVersionV1In\"" => {
            "<Version><Version>201</Version></Version><Deprecated>false</Deprecated>".to_owned()
        }
        "\"http://pronom.nationalarchives.gov.uk:getSignatureFileV1In\"" => {
            let file = binary(201).replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "");
            format!("<SignatureFile>{file}</SignatureFile>")
        }
        _ => return Reply::Status(404),
    };
    Reply::Text(format!(
        "<?xml version=\"1.0\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soap:Body>{inside}</soap:Body></soap:Envelope>"
    ))
}

fn binary(version: u32) -> String {
    BINARY_XML.replace("VERSION", &version.to_string())
}

async fn run(arguments: &Arguments) -> Result<(Installed, InUse), Failure> {
    let patience = Patience {
        silence: Duration::from_millis(300),
        whole: Duration::from_secs(20),
    };
    update(arguments, patience, &Screen::recording()).await
}

fn versions(data: &Path) -> String {
    let in_use = signature_store::in_use(data, None).expect("signatures are in use");
    let signatures = in_use.signatures;
    format!(
        "{} {}",
        signatures.version(),
        signatures.container_version()
    )
}

#[tokio::test]
async fn the_newest_pair_that_is_listed_comes_into_the_data_folder_once() {
    let (server, data) = (
        Server::start().await,
        tempfile::tempdir().expect("a folder"),
    );
    let arguments = server.arguments(data.path());
    let (done, _) = run(&arguments).await.expect("it is fetched");
    assert_eq!(done, Installed::New);
    assert_eq!(versions(data.path()), "V201 20260201");
    assert_eq!(server.asked(), [INDEX_PATH, BINARY_PATH, CONTAINER_PATH]);
    let (done, _) = run(&arguments).await.expect("it is asked");
    assert_eq!(done, Installed::AlreadyInUse);
    assert_eq!(
        server.asked(),
        [INDEX_PATH],
        "the files are not fetched again"
    );
    server.publish(202, "20260201");
    let (done, _) = run(&arguments).await.expect("it is fetched");
    assert_eq!(done, Installed::New);
    assert_eq!(versions(data.path()), "V202 20260201");
}

#[tokio::test]
async fn the_web_service_is_asked_where_the_list_does_not_answer() {
    let (server, data) = (
        Server::start().await,
        tempfile::tempdir().expect("a folder"),
    );
    server.reply(INDEX_PATH, Reply::Status(404));
    let arguments = server.arguments(data.path());
    let (done, _) = run(&arguments).await.expect("it is fetched");
    assert_eq!(done, Installed::New);
    // The container file is dated by when it was modified.
    assert_eq!(versions(data.path()), "V201 20260201");
    let (done, _) = run(&arguments).await.expect("it is asked");
    assert_eq!(done, Installed::AlreadyInUse);
    let from_service = Arguments {
        from: vec![format!("{}{SERVICE_PATH}", server.url)],
        force: true,
        ..arguments
    };
    assert!(run(&from_service).await.is_ok());
}

#[tokio::test]
async fn whatever_goes_wrong_the_pair_that_was_in_use_still_is() {
    let (server, data) = (
        Server::start().await,
        tempfile::tempdir().expect("a folder"),
    );
    run(&server.arguments(data.path()))
        .await
        .expect("it is fetched");
    let arguments = Arguments {
        from: vec![format!("{}/", server.url)],
        ..server.arguments(data.path())
    };
    let html = || Reply::Text("<!DOCTYPE html><html><body>Moved</body></html>".to_owned());
    let half = |text: String| text[..text.len() / 2].to_owned();
    for (path, reply, said) in [
        (INDEX_PATH, Reply::Status(404), "404"),
        (INDEX_PATH, html(), "no list of signature files"),
        (INDEX_PATH, Reply::Silence, "in time"),
        (BINARY_PATH, Reply::Status(404), "404"),
        (BINARY_PATH, Reply::Status(500), "500"),
        (
            BINARY_PATH,
            html(),
            "binary signature file is not understood",
        ),
        (
            BINARY_PATH,
            Reply::Text(String::new()),
            "binary signature file",
        ),
        (BINARY_PATH, Reply::Text(half(binary(202))), "line 10"),
        (
            BINARY_PATH,
            Reply::CutOff(binary(202)),
            "could not be fetched",
        ),
        (BINARY_PATH, Reply::Endless, "more than 67.1 MB"),
        (BINARY_PATH, Reply::Silence, "in time"),
        (BINARY_PATH, Reply::Stall(half(binary(202))), "in time"),
        (
            BINARY_PATH,
            Reply::Text(binary(200)),
            "older than PRONOM V201",
        ),
        (
            BINARY_PATH,
            Reply::Text(binary(202).replace("4D55", "4D5")),
            "line 7",
        ),
        (
            BINARY_PATH,
            Reply::Text(CONTAINER_XML.to_owned()),
            "not the root",
        ),
        (CONTAINER_PATH, Reply::Status(503), "503"),
        (
            CONTAINER_PATH,
            html(),
            "container signature file is not understood",
        ),
        (
            CONTAINER_PATH,
            Reply::CutOff(CONTAINER_XML.to_owned()),
            "could not be fetched",
        ),
        (
            CONTAINER_PATH,
            Reply::Text(half(CONTAINER_XML.to_owned())),
            "container signature file",
        ),
    ] {
        server.publish(202, "20260202");
        server.reply(path, reply.clone());
        let failure = run(&arguments).await.expect_err("refused").to_string();
        assert!(failure.contains(said), "{reply:?}: {failure}");
        assert_eq!(versions(data.path()), "V201 20260201", "{reply:?}");
    }
    // Nothing is left of them, and they were the only reason.
    let kept = std::fs::read_dir(data.path().join("signatures")).expect("a folder");
    assert_eq!(kept.count(), 3);
    server.publish(202, "20260202");
    run(&arguments).await.expect("it is fetched");
    assert_eq!(versions(data.path()), "V202 20260202");
}

#[tokio::test]
async fn where_nothing_answers_both_addresses_are_named_with_what_to_do() {
    let data = tempfile::tempdir().expect("a folder");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let nobody = Server {
        url,
        replies: Arc::default(),
        asked: Arc::default(),
    };
    let failure = run(&nobody.arguments(data.path()))
        .await
        .expect_err("nobody is there");
    let failure = failure.to_string();
    for said in [INDEX_PATH, SERVICE_PATH, "--from"] {
        assert!(failure.contains(said), "{failure}");
    }
    assert_eq!(versions(data.path()), "V109 20200121");
}

#[tokio::test]
async fn what_is_older_is_taken_by_force_only() {
    let (server, data) = (
        Server::start().await,
        tempfile::tempdir().expect("a folder"),
    );
    run(&server.arguments(data.path()))
        .await
        .expect("it is fetched");
    server.publish(200, "20260201");
    let arguments = server.arguments(data.path());
    let failure = run(&arguments).await.expect_err("older").to_string();
    assert!(failure.contains("--force"), "{failure}");
    let forced = Arguments {
        force: true,
        ..arguments
    };
    run(&forced).await.expect("forced");
    assert_eq!(versions(data.path()), "V200 20260201");
}

#[tokio::test]
async fn files_and_folders_of_this_machine_and_addresses_of_files_are_taken() {
    let (server, data) = (
        Server::start().await,
        tempfile::tempdir().expect("a folder"),
    );
    let usb = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = usb.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let old = file("DROID_SignatureFile_V300.xml", &binary(300));
    file("DROID_SignatureFile_V301.xml", &binary(301));
    let container = file("container-signature-20260301.xml", CONTAINER_XML);
    file("container-signature-20260302.xml", CONTAINER_XML);
    for (from, expected) in [
        // Whichever way round.
        (vec![container.clone(), old.clone()], "V300 20260301"),
        (
            vec![usb.path().to_str().expect("UTF-8").to_owned()],
            "V301 20260302",
        ),
        (vec![old, container], "V300 20260301"),
        (
            vec![
                format!("{}{BINARY_PATH}", server.url),
                format!("{}{CONTAINER_PATH}", server.url),
            ],
            "V201 20260201",
        ),
    ] {
        let arguments = Arguments {
            from,
            force: true,
            ..server.arguments(data.path())
        };
        run(&arguments).await.expect("taken");
        assert_eq!(versions(data.path()), expected);
    }
}

#[test]
fn an_address_that_is_left_empty_is_the_usual_one() {
    assert_eq!(address("", INDEX).map(String::from), Ok(INDEX.to_owned()));
    assert!(address("ftp://a.example/", INDEX).is_err());
}
