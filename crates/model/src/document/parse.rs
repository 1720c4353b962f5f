//! Builds a [`Document`] from the YAML parser's events. A loop with its own
//! stack, so that depth is counted rather than felt.

use super::{Document, Error, Place, child};
use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScanError};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// Deeper nesting is refused: no schema or configuration comes near.
const MAX_DEPTH: usize = 64;

/// Nodes that aliases may add to what is written out.
const MAX_ALIASED: usize = 10_000;

/// Reads one document.
pub(super) fn parse(name: &str, text: &str) -> Result<Document, Error> {
    let mut builder = Builder::new(name);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| builder.syntax(&e))?;
        builder.take(event, place(&span.start))?;
    }
    Ok(builder.document)
}

fn place(mark: &Marker) -> Place {
    (mark.line().max(1), mark.col() + 1)
}

/// A sequence or mapping that is not closed yet.
struct Open {
    /// Its own JSON pointer.
    pointer: String,
    anchor: usize,
    /// Nodes in it so far, itself included.
    size: usize,
    /// Levels below it so far.
    height: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>),
    Mapping {
        members: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<String>,
    },
}

/// A finished node that an alias may repeat.
struct Anchored {
    value: Value,
    size: usize,
    height: usize,
}

struct Builder {
    document: Document,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    /// Nodes that aliases have added so far.
    aliased: usize,
    documents: usize,
}

impl Builder {
    fn new(name: &str) -> Self {
        Self {
            document: Document {
                name: name.to_owned(),
                ..Document::default()
            },
            stack: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            documents: 0,
        }
    }

    fn error(&self, (line, column): Place, message: impl Into<String>) -> Error {
        Error {
            file: self.document.name.clone(),
            line,
            column,
            message: message.into(),
        }
    }

    fn syntax(&self, error: &ScanError) -> Error {
        let message = format!("the YAML can't be read: {}", error.info());
        self.error(place(error.marker()), message)
    }

    fn take(&mut self, event: Event<'_>, at: Place) -> Result<(), Error> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.error(at, "a second document: one is allowed in a file"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.key_expected() {
                    return self.key(text.into_owned(), at);
                }
                let scalar = Scalar::parse_from_cow_and_metadata(text.clone(), style, tag.as_ref())
                    .ok_or_else(|| {
                        let tag = tag.map_or_else(String::new, |t| t.suffix.clone());
                        self.error(at, format!("this is not a value of type !!{tag}"))
                    })?;
                let value = self.plain(scalar, at)?;
                self.place(at);
                self.finish(value, anchor, 1, 0);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::SequenceStart(anchor, _) => self.open(anchor, Content::Sequence(Vec::new()), at),
            Event::MappingStart(anchor, _) => {
                let (members, key) = (Map::new(), None);
                self.open(anchor, Content::Mapping { members, key }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.close();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    /// The next node is the key of an open mapping.
    fn key_expected(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Open {
                content: Content::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: String, at: Place) -> Result<(), Error> {
        let Some(Open {
            pointer,
            content: Content::Mapping { members, key },
            ..
        }) = self.stack.last_mut()
        else {
            return Ok(());
        };
        let pointer = child(pointer, &text);
        if members.contains_key(&text) {
            let first = self.document.places.get(&pointer).map_or(0, |p| p.0);
            let message = format!("the key {text:?} stands here again, first in line {first}");
            return Err(self.error(at, message));
        }
        *key = Some(text);
        self.document.places.insert(pointer, at);
        Ok(())
    }

    /// The JSON pointer of the node that comes next.
    fn next_pointer(&self) -> String {
        match self.stack.last() {
            None => String::new(),
            Some(open) => match &open.content {
                Content::Sequence(items) => format!("{}/{}", open.pointer, items.len()),
                Content::Mapping { key, .. } => {
                    child(&open.pointer, key.as_deref().unwrap_or_default())
                }
            },
        }
    }

    /// Notes where the next node stands, unless its key already said so.
    fn place(&mut self, at: Place) {
        self.document
            .places
            .entry(self.next_pointer())
            .or_insert(at);
    }

    fn open(&mut self, anchor: usize, content: Content, at: Place) -> Result<(), Error> {
        if self.key_expected() {
            return Err(self.error(at, "a key must be plain text, not a list or a mapping"));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.place(at);
        self.stack.push(Open {
            pointer: self.next_pointer(),
            anchor,
            size: 1,
            height: 0,
            content,
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(open) = self.stack.pop() else { return };
        let value = match open.content {
            Content::Sequence(items) => Value::Array(items),
            Content::Mapping { members, .. } => Value::Object(members),
        };
        self.finish(value, open.anchor, open.size, open.height + 1);
    }

    fn alias(&mut self, anchor: usize, at: Place) -> Result<(), Error> {
        if self.key_expected() {
            return Err(self.error(at, "a key must be plain text, not an alias"));
        }
        let Some(Anchored {
            value,
            size,
            height,
        }) = self.anchors.get(&anchor)
        else {
            return Err(self.error(at, "an alias of the very node that it stands in"));
        };
        let (size, height) = (*size, *height);
        if self.aliased + size > MAX_ALIASED {
            let message = format!("aliases add more than {MAX_ALIASED} nodes: write them out");
            return Err(self.error(at, message));
        }
        if self.stack.len() + height > MAX_DEPTH {
            return Err(self.error(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let value = value.clone();
        self.aliased += size;
        self.place(at);
        self.finish(value, 0, size, height);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, value: Value, anchor: usize, size: usize, height: usize) {
        if anchor != 0 {
            let value = value.clone();
            self.anchors.insert(
                anchor,
                Anchored {
                    value,
                    size,
                    height,
                },
            );
        }
        let Some(open) = self.stack.last_mut() else {
            self.document.value = value;
            return;
        };
        open.size += size;
        open.height = open.height.max(height);
        match &mut open.content {
            Content::Sequence(items) => items.push(value),
            Content::Mapping { members, key } => {
                if let Some(key) = key.take() {
                    members.insert(key, value);
                }
            }
        }
    }

    fn plain(&self, scalar: Scalar<'_>, at: Place) -> Result<Value, Error> {
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(flag) => Value::Bool(flag),
            Scalar::Integer(number) => Value::from(number),
            Scalar::FloatingPoint(number) => Number::from_f64(number.into_inner())
                .map(Value::Number)
                .ok_or_else(|| self.error(at, "JSON has neither infinity nor NaN"))?,
            Scalar::String(text) => Value::String(text.into_owned()),
        })
    }
}
