//! clamd that answers well, badly, late or not at all.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use runtime::backoff::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use worker::checks::antivirus::{Clamd, ClamdAddress, ClamdSettings, Scan, Scanner, Verdict};

/// More than the sockets' buffers hold, so that what is said in the middle comes in the middle.
const SIZE: u64 = 24 * 1024 * 1024;

/// What a fake clamd does with a stream.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Takes all of it and says this.
    Say(&'static str),
    /// Takes so many bytes, says this and takes the rest.
    SayAfter(u64, &'static str),
    /// Takes so many bytes, says this and closes.
    CloseAfter(u64, &'static str),
    /// Takes all of it and never answers.
    Hang,
    /// Takes nothing.
    TakeNothing,
    /// Does not even say its version.
    Silent,
    /// Is something else.
    NotClamd,
}

/// What it took: the bytes of the stream, and whether the stream was ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Took {
    bytes: u64,
    ended: bool,
}

async fn command(stream: &mut TcpStream, expected: &[u8]) -> io::Result<()> {
    let mut command = vec![0; expected.len()];
    stream.read_exact(&mut command).await?;
    assert_eq!(command, expected);
    Ok(())
}

async fn serve(listener: &TcpListener, act: Act) -> io::Result<Took> {
    let (mut stream, _) = listener.accept().await?;
    let mut took = Took::default();
    command(&mut stream, b"zIDSESSION\0zVERSION\0").await?;
    match act {
        Act::Silent => std::future::pending().await,
        Act::NotClamd => {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await?;
        }
        _ => {
            stream
                .write_all(b"1: ClamAV 1.4.3/27800/Fri Nov 20 09:00:00 2026\0")
                .await?;
        }
    }
    if matches!(act, Act::NotClamd) {
        return Ok(took);
    }
    command(&mut stream, b"zINSTREAM\0").await?;
    let mut chunk = vec![0; 1024 * 1024];
    let mut said = false;
    loop {
        match act {
            Act::SayAfter(bytes, words) if took.bytes >= bytes && !said => {
                stream.write_all(words.as_bytes()).await?;
                said = true;
            }
            Act::TakeNothing => std::future::pending().await,
            Act::CloseAfter(bytes, words) if took.bytes >= bytes => {
                stream.write_all(words.as_bytes()).await?;
                stream.shutdown().await?;
                return Ok(took);
            }
            _ => {}
        }
        let length = stream.read_u32().await?;
        if length == 0 {
            took.ended = true;
            break;
        }
        let length = length as usize;
        stream.read_exact(&mut chunk[..length]).await?;
        took.bytes += length as u64;
    }
    match act {
        Act::Say(words) => stream.write_all(words.as_bytes()).await?,
        _ => std::future::pending().await,
    }
    Ok(took)
}

fn settings(addresses: Vec<ClamdAddress>) -> ClamdSettings {
    let mut settings = ClamdSettings::new(addresses);
    settings.stall_timeout = Duration::from_millis(200);
    settings.verdict_timeout = Duration::from_millis(200);
    settings.connect_timeout = Duration::from_millis(200);
    settings.retry = Policy {
        first: Duration::from_millis(1),
        cap: Duration::from_millis(1),
        attempts: NonZeroU32::MIN,
    };
    settings
}

async fn listen() -> (TcpListener, ClamdAddress) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, ClamdAddress::Tcp(address))
}

/// Scans `sent` bytes that are said to be `size`.
async fn scan(clamd: Clamd, size: u64, sent: u64) -> Scan {
    let (feed, blocks) = mpsc::channel(1);
    let feeding = async {
        let mut left = sent;
        while left > 0 {
            let count = left.min(65_536);
            left -= count;
            let block = Bytes::from(vec![7; usize::try_from(count).unwrap()]);
            if feed.send(block).await.is_err() {
                break;
            }
        }
        drop(feed);
    };
    let (scan, ()) = tokio::join!(clamd.scan(size, blocks), feeding);
    scan
}

async fn scan_by(act: Act) -> Scan {
    let (listener, address) = listen().await;
    let clamd = Clamd::new(settings(vec![address]));
    let server = async {
        // What it meets is told by what the scan says.
        let _ = serve(&listener, act).await;
        std::future::pending::<Scan>().await
    };
    tokio::select! {
        scan = scan(clamd, SIZE, SIZE) => scan,
        scan = server => scan,
    }
}

#[tokio::test]
async fn only_a_whole_stream_with_an_ok_is_clean() {
    let inconclusive = Verdict::Inconclusive(String::new());
    let unavailable = Verdict::Unavailable(String::new());
    for (act, expected, looked, reason) in [
        (Act::Say("2: stream: OK\0"), Verdict::Clean, SIZE, ""),
        (
            Act::Say("2: stream: Ours.UNOFFICIAL FOUND\0"),
            Verdict::Infected("Ours.UNOFFICIAL".to_owned()),
            SIZE,
            "",
        ),
        (
            Act::Say("2: stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0"),
            inconclusive.clone(),
            0,
            "limit",
        ),
        (
            Act::Say("2: stream: Heuristics.Encrypted.Zip FOUND\0"),
            inconclusive.clone(),
            SIZE,
            "encrypted",
        ),
        (
            Act::Say("2: stream: lstat() failed. ERROR\0"),
            inconclusive.clone(),
            0,
            "lstat",
        ),
        (
            Act::Say("what?\0"),
            inconclusive.clone(),
            0,
            "not understood",
        ),
        (Act::Say("\0"), inconclusive.clone(), 0, "not understood"),
        (
            Act::CloseAfter(65_536, "INSTREAM size limit exceeded. ERROR\0"),
            inconclusive.clone(),
            0,
            "",
        ),
        (
            Act::SayAfter(65_536, "2: stream: OK\0"),
            inconclusive.clone(),
            0,
            "too early",
        ),
        (
            Act::SayAfter(65_536, "2: stream: Ours.UNOFFICIAL FOUND\0"),
            Verdict::Infected("Ours.UNOFFICIAL".to_owned()),
            0,
            "",
        ),
        (
            Act::CloseAfter(65_536, "2: stream: OK\0"),
            inconclusive.clone(),
            0,
            "too early",
        ),
        // Dying in the middle of a stream.
        (
            Act::CloseAfter(65_536, ""),
            unavailable.clone(),
            0,
            "stopped taking bytes",
        ),
        (Act::CloseAfter(0, ""), unavailable.clone(), 0, ""),
        (Act::CloseAfter(SIZE, ""), unavailable.clone(), 0, ""),
        (Act::Hang, unavailable.clone(), 0, "in time"),
        (Act::Silent, unavailable.clone(), 0, "not reached"),
        (Act::NotClamd, unavailable.clone(), 0, "not clamd"),
    ] {
        let scan = scan_by(act).await;
        match (&scan.verdict, expected) {
            (Verdict::Inconclusive(why), Verdict::Inconclusive(_))
            | (Verdict::Unavailable(why), Verdict::Unavailable(_)) => {
                assert!(why.contains(reason), "{act:?}: {why}");
            }
            (verdict, expected) => assert_eq!(*verdict, expected, "{act:?}"),
        }
        assert_eq!(scan.bytes_looked, looked, "{act:?}");
        assert_eq!(scan.engine.name, "ClamAV");
    }
}

#[tokio::test]
async fn a_clamd_that_takes_nothing_is_given_up() {
    let (listener, address) = listen().await;
    let clamd = Clamd::new(settings(vec![address]));
    // More than the sockets' buffers hold.
    let size = 64 * 1024 * 1024;
    tokio::select! {
        scan = scan(clamd, size, size) => {
            assert!(matches!(scan.verdict, Verdict::Unavailable(_)), "{scan:?}");
            assert_eq!(scan.bytes_looked, 0);
        }
        _ = serve(&listener, Act::TakeNothing) => panic!("it took something"),
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_engine_that_scanned() {
    let scan = scan_by(Act::Say("2: stream: OK\0")).await;
    assert_eq!(
        (
            scan.engine.version.as_str(),
            scan.engine.signatures.as_deref()
        ),
        ("1.4.3", Some("27800"))
    );
}

#[tokio::test]
async fn beyond_the_limit_nothing_is_sent_and_nothing_is_clean() {
    for (reply, found) in [("2: stream: OK\0", false), ("2: stream: Bad FOUND\0", true)] {
        let (listener, address) = listen().await;
        let mut settings = settings(vec![address]);
        settings.limit = 100_000;
        let clamd = Clamd::new(settings);
        let (scan, took) = tokio::join!(scan(clamd, SIZE, SIZE), serve(&listener, Act::Say(reply)));
        let took = took.unwrap();
        assert_eq!((took.bytes, took.ended), (100_000, true));
        assert_eq!(scan.bytes_looked, 100_000);
        assert_eq!(matches!(scan.verdict, Verdict::Infected(_)), found);
        assert_ne!(scan.verdict, Verdict::Clean);
    }
}

#[tokio::test]
async fn an_object_that_was_not_read_to_its_end_is_not_clean() {
    let (listener, address) = listen().await;
    let clamd = Clamd::new(settings(vec![address]));
    tokio::select! {
        scan = scan(clamd, SIZE, SIZE / 2) => {
            assert!(matches!(scan.verdict, Verdict::Inconclusive(_)), "{scan:?}");
        }
        took = serve(&listener, Act::Say("2: stream: OK\0")) => {
            assert!(!took.unwrap_or_default().ended, "the stream was ended as if it were whole");
        }
    }
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let (dead, dead_address) = listen().await;
    drop(dead);
    let (not_clamd, other_address) = listen().await;
    let (listener, address) = listen().await;
    let clamd = Clamd::new(settings(vec![dead_address, other_address, address]));
    let (scan, _, took) = tokio::join!(
        scan(clamd, SIZE, SIZE),
        serve(&not_clamd, Act::NotClamd),
        serve(&listener, Act::Say("2: stream: OK\0"))
    );
    assert_eq!(scan.verdict, Verdict::Clean);
    assert_eq!(took.unwrap().bytes, SIZE);
}

#[tokio::test]
async fn one_that_hangs_in_scanning_is_asked_last_and_the_others_take_turns() {
    let (hanging, first) = listen().await;
    let (second_listener, second) = listen().await;
    let (third_listener, third) = listen().await;
    let clamd = Clamd::new(settings(vec![first, second, third]));
    let one = tokio::select! {
        scan = scan(clamd.clone(), SIZE, SIZE) => scan,
        _ = serve(&hanging, Act::Hang) => unreachable!("it hangs"),
    };
    assert!(matches!(one.verdict, Verdict::Unavailable(_)), "{one:?}");
    let ok = Act::Say("2: stream: OK\0");
    for listener in [
        &second_listener,
        &third_listener,
        &second_listener,
        &second_listener,
        &third_listener,
    ] {
        let (scan, _) = tokio::join!(scan(clamd.clone(), SIZE, SIZE), serve(listener, ok));
        assert_eq!(scan.verdict, Verdict::Clean);
    }
}

#[tokio::test]
async fn where_no_clamd_listens_nothing_is_clean() {
    let (dead, address) = listen().await;
    drop(dead);
    let scan = scan(Clamd::new(settings(vec![address])), SIZE, SIZE).await;
    assert!(matches!(scan.verdict, Verdict::Unavailable(_)));
    assert_eq!(scan.bytes_looked, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_local_socket_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clamd.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let clamd = Clamd::new(settings(vec![ClamdAddress::Socket(path)]));
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 20];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(b"1: ClamAV 1.4.3\0").await.unwrap();
        let mut bytes = Vec::new();
        // `zINSTREAM`, one frame of one byte, the end.
        while bytes.len() < 10 + 5 + 4 {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        stream.write_all(b"2: stream: OK\0").await.unwrap();
    };
    let (scan, ()) = tokio::join!(scan(clamd, 1, 1), server);
    assert_eq!(scan.verdict, Verdict::Clean);
}
