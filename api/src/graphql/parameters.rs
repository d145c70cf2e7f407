//! What a request consists of, as JSON or in a query string.
//!
//! Owns what makes a request well-formed. Does not own what it asks for.
//!
//! Always: nothing is said twice. Of two values of one name, a firewall may look at the first and we at the last.

use std::fmt;

use async_graphql::{Name, Request, Value, Variables, indexmap::IndexMap};
use axum::{extract::Query, http::Uri};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::Error;

/// The parameters of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    /// The document.
    pub(super) query: Option<String>,
    /// The id of a document that the server has.
    pub(super) document_id: Option<String>,
    /// Which of its operations.
    pub(super) operation_name: Option<String>,
    /// The values of its variables.
    variables: Option<Members>,
    /// Nothing that we know of; it must be an object all the same.
    #[serde(rename = "extensions")]
    _extensions: Option<Members>,
}

impl Parameters {
    /// Reads a body.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, Error> {
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(Error::Limit(
                "one request a call: batches are not taken".into(),
            ));
        }
        let parameters: Self = serde_json::from_slice(body).map_err(|error| {
            let message = error.to_string();
            if message.starts_with("recursion limit exceeded") {
                Error::Limit("the JSON of the request is nested more than 127 deep".into())
            } else {
                Error::input("body", format!("the body is no GraphQL request: {message}"))
            }
        })?;
        parameters.complete()
    }

    /// Reads the query string of a GET.
    pub(super) fn from_uri(uri: &Uri) -> Result<Self, Error> {
        let Query(texts) = Query::<Texts>::try_from_uri(uri)
            .map_err(|error| Error::input("query string", error.body_text()))?;
        let parameters = Self {
            query: texts.query,
            document_id: texts.document_id,
            operation_name: texts.operation_name,
            variables: members("variables", texts.variables.as_deref())?,
            _extensions: members("extensions", texts.extensions.as_deref())?,
        };
        parameters.complete()
    }

    fn complete(mut self) -> Result<Self, Error> {
        match (&self.query, &self.document_id) {
            (None, None) => return Err(Error::input("query", "`query` is missing")),
            (Some(_), Some(_)) => {
                return Err(Error::input(
                    "documentId",
                    "send either `query` or `documentId`",
                ));
            }
            _ => {}
        }
        self.operation_name = self.operation_name.filter(|name| !name.is_empty());
        Ok(self)
    }

    /// The request for a document.
    pub(super) fn request(self, document: String) -> Request {
        let mut request = Request::new(document);
        request.operation_name = self.operation_name;
        if let Some(Members(variables)) = self.variables {
            request.variables = Variables::from_value(Value::Object(variables));
        }
        request
    }
}

/// The parameters of a GET.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Texts {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

fn members(name: &str, text: Option<&str>) -> Result<Option<Members>, Error> {
    serde_json::from_str(text.unwrap_or("null"))
        .map_err(|error| Error::input(name, format!("`{name}` is no JSON object: {error}")))
}

/// A JSON object, in which no name stands twice, at no level.
#[derive(Debug, Clone, PartialEq)]
struct Members(IndexMap<Name, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Once.deserialize(deserializer)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(D::Error::custom("an object is expected")),
        }
    }
}

/// Reads any JSON in which no name stands twice.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = IndexMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self)?;
            let name = Name::new(name);
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "`{name}` stands twice in one object"
                )));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn problem(body: &str) -> String {
        match Parameters::from_body(body.as_bytes()) {
            Ok(parameters) => panic!("{body}: {parameters:?}"),
            Err(Error::BadInput { message, .. } | Error::Limit(message)) => message,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn json_arrives_as_it_was_sent() {
        let body = r#"{"query": "{a}", "operationName": "", "extensions": {"x": 1}, "more": 1,
            "variables": {"a": [1, -2, 2.5, true, null, "t", {"b": {}}], "n": 18446744073709551615}}"#;
        let parameters = Parameters::from_body(body.as_bytes()).unwrap();
        assert_eq!(parameters.operation_name, None);
        let request = parameters.request("{a}".into());
        let whole: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            serde_json::to_value(&request.variables).unwrap(),
            whole["variables"]
        );
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        for (body, expected) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("null", "invalid type"),
            ("[]", "batches are not taken"),
            (" [{\"query\": \"{a}\"}]", "batches are not taken"),
            ("{}", "`query` is missing"),
            (r#"{"qeury": "{a}"}"#, "`query` is missing"),
            (r#"{"query": "{a}", "documentId": "x"}"#, "either"),
            (r#"{"query": 1}"#, "invalid type"),
            (r#"{"query": "{a}", "operationName": 1}"#, "invalid type"),
            (
                r#"{"query": "{a}", "variables": []}"#,
                "an object is expected",
            ),
            (
                r#"{"query": "{a}", "extensions": "x"}"#,
                "an object is expected",
            ),
        ] {
            assert!(
                problem(body).contains(expected),
                "{body}: {}",
                problem(body)
            );
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        for body in [
            r#"{"query": "{a}", "query": "{b}"}"#,
            r#"{"query": "{a}", "variables": {}, "variables": {}}"#,
        ] {
            assert!(problem(body).contains("duplicate field"), "{body}");
        }
        for body in [
            r#"{"query": "{a}", "variables": {"a": 1, "a": 1}}"#,
            r#"{"query": "{a}", "variables": {"a": [{"b": 1, "\u0062": 2}]}}"#,
        ] {
            assert!(problem(body).contains("stands twice"), "{body}");
        }
        let uri = Uri::from_static("/graphql?query=a&query=b");
        assert!(Parameters::from_uri(&uri).is_err());
    }

    #[test]
    fn json_of_a_hundred_thousand_levels_is_refused() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let (open, close) = (open.repeat(100_000), close.repeat(100_000));
            let body =
                format!("{{\"query\": \"{{a}}\", \"variables\": {{\"v\": {open}1{close}}}}}");
            assert!(problem(&body).contains("127 deep"));
        }
    }

    #[test]
    fn a_query_string_says_the_same_as_a_body() {
        let uri = "/graphql?query=%7Ba%7D&operationName=&variables=%7B%22a%22:1%7D";
        let parameters = Parameters::from_uri(&uri.parse().unwrap()).unwrap();
        assert_eq!(parameters.query.as_deref(), Some("{a}"));
        assert_eq!(parameters.operation_name, None);
        assert_eq!(parameters.variables.unwrap().0.len(), 1);
        for uri in [
            "/graphql",
            "/graphql?query=a&variables=%5B%5D",
            "/graphql?query=a&extensions=x",
        ] {
            assert!(
                Parameters::from_uri(&uri.parse().unwrap()).is_err(),
                "{uri}"
            );
        }
    }
}
