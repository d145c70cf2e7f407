//! Where no engine is configured: only the test file of EICAR is recognised, so that the way of
//! an infected file can be tried, and nothing is ever called clean.

use async_trait::async_trait;

use super::{Blocks, EngineInfo, Scan, Scanner, Verdict};

/// In two halves, so that no scanner takes this source for the file itself.
const SIGNATURE: [&str; 2] = [
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-",
    "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
];

/// The name that engines give it.
const NAME: &str = "Eicar-Test-Signature";

/// The longest file that counts as the test file.
const LONGEST: usize = 128;

/// What a check says where no engine is configured.
const NOT_SCANNED: &str = "no engine configured: only the EICAR test file is recognised";

/// No engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEngine;

/// Whether this whole file is the test file as EICAR defines it: the 68 characters first, then
/// nothing but space, tab, LF, CR or Ctrl-Z, 128 characters in all at most.
fn is_test_file(file: &[u8]) -> bool {
    let [first, second] = SIGNATURE.map(str::as_bytes);
    file.len() <= LONGEST
        && file
            .strip_prefix(first)
            .and_then(|rest| rest.strip_prefix(second))
            .is_some_and(|rest| rest.iter().all(|byte| b" \t\n\r\x1a".contains(byte)))
}

#[async_trait]
impl Scanner for NoEngine {
    async fn identity(&self) -> EngineInfo {
        EngineInfo {
            name: "none".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            signatures: Some("EICAR test file".to_owned()),
        }
    }

    async fn scan(&self, size: u64, mut blocks: Blocks) -> Scan {
        let mut file = Vec::new();
        if size <= LONGEST as u64 {
            while let Some(block) = blocks.recv().await {
                file.extend_from_slice(&block);
            }
        }
        let found = is_test_file(&file);
        Scan {
            verdict: if found {
                Verdict::Infected(NAME.to_owned())
            } else {
                Verdict::Inconclusive(NOT_SCANNED.to_owned())
            },
            engine: self.identity().await,
            bytes_looked: if found { size } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::*;

    async fn scan(file: &[u8]) -> Scan {
        let (feed, blocks) = mpsc::channel(file.len().max(1));
        for byte in file.iter().take(LONGEST + 1) {
            assert!(feed.send(Bytes::copy_from_slice(&[*byte])).await.is_ok());
        }
        drop(feed);
        NoEngine.scan(file.len() as u64, blocks).await
    }

    #[tokio::test]
    async fn the_test_file_is_recognised_and_nothing_is_clean() {
        let signature = SIGNATURE.concat();
        for (file, infected) in [
            (signature.clone(), true),
            (format!("{signature}\r\n\t \x1a"), true),
            (format!("{signature:<128}"), true),
            (format!("{signature:<129}"), false),
            (format!("{signature}x"), false),
            (format!(" {signature}"), false),
            (signature[1..].to_owned(), false),
            (String::new(), false),
            ("x".repeat(100_000), false),
        ] {
            let scan = scan(file.as_bytes()).await;
            let expected = if infected {
                (Verdict::Infected(NAME.to_owned()), file.len() as u64)
            } else {
                (Verdict::Inconclusive(NOT_SCANNED.to_owned()), 0)
            };
            assert_eq!((scan.verdict, scan.bytes_looked), expected, "{file}");
        }
    }
}
