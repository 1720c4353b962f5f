//! A request's body: JSON, bounded in size and depth, each key once.

use super::problem::Problem;
use crate::limits::Limits;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use tokio::time::timeout;

/// Reads and parses.
///
/// # Errors
/// 413 where it is too large, 408 where it takes too long, 400 for everything
/// else.
pub(crate) async fn read(
    limits: &Limits,
    headers: &HeaderMap,
    body: Body,
) -> Result<Value, Problem> {
    check_type(headers)?;
    parse(&collect(limits, headers, body).await?, limits.nesting)
}

/// Browsers send no JSON across origins without asking first, and whoever
/// names another type did not mean this API. No type at all is taken as JSON.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json {
        Ok(())
    } else {
        Err(Problem::bad_request(format!(
            "the content type is {text:?}: send application/json"
        )))
    }
}

async fn collect(limits: &Limits, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let most = limits.body_bytes;
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is over {most} bytes"),
        )
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    match timeout(limits.body, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended too early")),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {} s", limits.body.as_secs()),
        )),
    }
}

/// Parses what is nested no deeper than `levels`.
///
/// # Errors
/// What is wrong and where, as a 400.
fn parse(bytes: &[u8], levels: usize) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::bad_request(
            "the body is empty: send a JSON object",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Problem::bad_request(format!("the body is not UTF-8 at byte {}", e.valid_up_to()))
    })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let strict = Strict {
        depth: levels,
        levels,
    };
    strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|e| Problem::bad_request(format!("the body can't be read as JSON: {e}")))
}

/// Reads a value that is nested at most `depth` levels and in which no object
/// has a key twice: which of the two was meant can't be known.
struct Strict {
    depth: usize,
    /// What `depth` began with.
    levels: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..*self }),
            None => Err(E::custom(format!(
                "nested deeper than {} levels",
                self.levels
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is too large"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.deeper()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            let value = members.next_value_seed(self.deeper()?)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// The resource in a body that is bare or wrapped as `{singular: {..}}`.
pub(crate) fn unwrap(body: Value, singular: &str) -> Value {
    match body {
        Value::Object(mut object) if object.len() == 1 => match object.remove(singular) {
            Some(inner @ Value::Object(_)) => inner,
            Some(other) => Value::Object(Map::from_iter([(singular.to_owned(), other)])),
            None => Value::Object(object),
        },
        other => other,
    }
}
