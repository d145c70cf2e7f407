//! Headers that a signature does not cover.
//!
//! `s3s` verifies what is signed and takes the rest as it comes: with `x-amz-copy-source`, an address that was
//! signed for a PUT would copy any object. S3 refuses each header of its own that is not signed, and so do we.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const REFUSED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code>\
    <Message>There were headers present in the request which were not signed</Message></Error>";

/// Lets pass what is signed as a whole.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    if covered(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let kind = [(header::CONTENT_TYPE, "application/xml")];
    (StatusCode::FORBIDDEN, kind, REFUSED).into_response()
}

/// Whether each header of S3's own is signed. Who shows no signature is refused further in.
fn covered(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(signed) = signed_headers(uri, headers) else {
        return true;
    };
    let mut own = headers
        .keys()
        .map(header::HeaderName::as_str)
        .filter(|name| name.starts_with("x-amz-"));
    own.all(|name| signed.split(';').any(|one| one.eq_ignore_ascii_case(name)))
}

/// The names of the headers that the signature covers: of the address, else of the header.
fn signed_headers(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    let in_address = pairs.find_map(|pair| pair.strip_prefix("X-Amz-SignedHeaders="));
    if let Some(names) = in_address {
        return Some(names.replace("%3B", ";").replace("%3b", ";"));
    }
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let mut parts = authorization.split([',', ' ']);
    let names = parts.find_map(|part| part.strip_prefix("SignedHeaders="))?;
    Some(names.to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn each_header_of_s3_must_be_signed() {
        let address = "/b/k?X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-sha256";
        let authorization =
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0";
        for (uri, authorized, names, expected) in [
            (address, false, &["host", "x-amz-checksum-sha256"][..], true),
            (address, false, &["content-type", "user-agent"], true),
            (address, false, &["x-amz-copy-source"], false),
            (address, true, &["x-amz-date"], false),
            ("/b/k", true, &["x-amz-date"], true),
            ("/b/k", true, &["x-amz-date", "x-amz-acl"], false),
            ("/b/k", false, &["x-amz-acl"], true),
        ] {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.insert(*name, HeaderValue::from_static("x"));
            }
            if authorized {
                headers.insert("authorization", HeaderValue::from_static(authorization));
            }
            assert_eq!(
                covered(&uri.parse().unwrap(), &headers),
                expected,
                "{uri} {names:?}"
            );
        }
    }
}
