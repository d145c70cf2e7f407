//! In which form a body comes, and in which the answer goes (RFC 9110, section 12).

use axum::http::{HeaderMap, header};

/// The form of an answer that is one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: whatever the answer, the status of a well-formed request is 200.
    Json,
    /// `application/graphql-response+json`: the status says whether there is data.
    GraphqlResponse,
}

impl Media {
    /// As it stands in `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// An answer that is one document, in this form.
    pub(super) document: Option<Media>,
    /// A stream of answers, as server-sent events; only who names it takes it.
    pub(super) events: bool,
}

impl Accepted {
    /// Reads `Accept`; without it, JSON is taken.
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let ranges: Vec<Range> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::read)
            .collect();
        if !headers.contains_key(header::ACCEPT) {
            return Self {
                document: Some(Media::Json),
                events: false,
            };
        }
        let json = quality(&ranges, "application", "json");
        let graphql = quality(&ranges, "application", "graphql-response+json");
        let named = ranges
            .iter()
            .any(|range| range.subtype == "graphql-response+json");
        let document = if graphql > 0 && (graphql > json || graphql == json && named) {
            Some(Media::GraphqlResponse)
        } else {
            (json > 0).then_some(Media::Json)
        };
        let texts: Vec<Range> = ranges
            .into_iter()
            .filter(|range| range.kind == "text")
            .collect();
        let events = quality(&texts, "text", "event-stream") > 0;
        Self { document, events }
    }

    /// Whether there is any form that the client and we have in common.
    pub(super) fn is_any(self) -> bool {
        self.document.is_some() || self.events
    }
}

/// A range of media types in `Accept`.
struct Range {
    kind: String,
    subtype: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, value)| value.trim().parse().ok())
            .filter(|quality: &f32| (0.0..=1.0).contains(quality))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within 0 and 1000"
        )]
        let quality = (quality * 1000.0).round() as u16;
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            quality,
        })
    }
}

/// The quality of the most specific range that a media type is in; nothing where it is in none.
fn quality(ranges: &[Range], kind: &str, subtype: &str) -> u16 {
    [(kind, subtype), (kind, "*"), ("*", "*")]
        .iter()
        .find_map(|&(kind, subtype)| {
            ranges
                .iter()
                .find(|range| range.kind == kind && range.subtype == subtype)
        })
        .map_or(0, |range| range.quality)
}

/// Whether a body is said to be JSON in UTF-8, as it came. A form of another site cannot say so (CSRF).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = content
        .to_str()
        .unwrap_or_default()
        .split(';')
        .map(str::trim);
    let media = parts.next().unwrap_or_default();
    let utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    media.eq_ignore_ascii_case("application/json")
        && utf8
        && !headers.contains_key(header::CONTENT_ENCODING)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value);
        value.map(|value| (name, value)).into_iter().collect()
    }

    #[test]
    fn the_form_that_the_client_likes_best_is_taken() {
        use Media::{GraphqlResponse, Json};
        for (accept, document, events) in [
            ("application/json", Some(Json), false),
            ("*/*", Some(Json), false),
            ("application/*", Some(Json), false),
            (
                "application/graphql-response+json",
                Some(GraphqlResponse),
                false,
            ),
            (
                "Application/GraphQL-Response+JSON; charset=utf-8",
                Some(GraphqlResponse),
                false,
            ),
            (
                "application/graphql-response+json, application/json;q=0.9",
                Some(GraphqlResponse),
                false,
            ),
            (
                "application/json, application/graphql-response+json",
                Some(GraphqlResponse),
                false,
            ),
            (
                "application/json, application/graphql-response+json; q=0.5",
                Some(Json),
                false,
            ),
            ("application/json, */*", Some(Json), false),
            ("application/json;q=0, */*", Some(GraphqlResponse), false),
            ("text/html, */*;q=0.1", Some(Json), false),
            ("text/event-stream", None, true),
            ("text/event-stream, application/json", Some(Json), true),
            ("text/event-stream;q=0", None, false),
            ("text/html", None, false),
            ("application/json;q=0", None, false),
            ("application/json;q=nonsense", None, false),
            ("", None, false),
        ] {
            let accepted = Accepted::by(&headers(header::ACCEPT, accept));
            assert_eq!(accepted, Accepted { document, events }, "{accept}");
        }
        assert_eq!(Accepted::by(&HeaderMap::new()).document, Some(Json));
    }

    #[test]
    fn only_json_that_says_so_is_taken() {
        for (content, taken) in [
            ("application/json", true),
            ("Application/JSON; Charset=\"UTF-8\"", true),
            ("application/json; charset=utf-16", false),
            ("application/jsonp", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=application/json", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            let headers = headers(header::CONTENT_TYPE, content);
            assert_eq!(is_json(&headers), taken, "{content}");
        }
        assert!(!is_json(&HeaderMap::new()));
        let mut two = headers(header::CONTENT_TYPE, "application/json");
        two.append(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!is_json(&two));
        let mut packed = headers(header::CONTENT_TYPE, "application/json");
        packed.append(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_json(&packed));
    }
}
