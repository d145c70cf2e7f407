//! An XML file as a small tree that remembers its lines.
//!
//! Owns well-formedness and the bounds of what is read. Does not know what a signature file is.
//!
//! Always: no entity is defined by the file, so that none grows; depth and number of elements have a bound.

use quick_xml::{Reader, escape, events::BytesStart, events::Event};

/// An element with its attributes, text and children.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
    attributes: Vec<(String, String)>,
}

/// What is wrong, and in which line.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(line: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { line, text }
    }
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.attribute(name)
            .ok_or_else(|| Problem::new(self.line, format!("<{}> has no {name}", self.name)))
    }

    /// A number in an attribute; `None` if the attribute is not there.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Problem> {
        self.attribute(name)
            .map(|value| parse_number(value, self.line, name))
            .transpose()
    }

    /// The number that the element holds as its text.
    pub(crate) fn number_inside(&self) -> Result<u32, Problem> {
        parse_number(&self.text, self.line, &self.name)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> + 'a {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn parse_number(value: &str, line: usize, what: &str) -> Result<u32, Problem> {
    value
        .trim()
        .parse()
        .map_err(|_| Problem::new(line, format!("{what}: {value:?} is not a number")))
}

const MAX_DEPTH: usize = 32;
const MAX_ELEMENTS: usize = 500_000;

/// Elements that say how to search, not what for; half of the file.
const IGNORED: [&[u8]; 2] = [b"Shift", b"DefaultShift"];

/// The root element of `text`.
pub(crate) fn parse(text: &str) -> Result<Element, Problem> {
    let mut lines = Lines {
        text,
        at: 0,
        line: 1,
    };
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut elements = 0;
    let mut ignoring = 0_usize;
    loop {
        let line = lines.at(reader.buffer_position());
        let event = reader
            .read_event()
            .map_err(|error| Problem::new(lines.at(reader.error_position()), error.to_string()))?;
        match event {
            Event::Start(start) => {
                if ignoring > 0 || IGNORED.contains(&start.local_name().as_ref()) {
                    ignoring += 1;
                    continue;
                }
                elements += 1;
                if elements > MAX_ELEMENTS || open.len() > MAX_DEPTH {
                    return Err(Problem::new(
                        line,
                        "more elements than a signature file has",
                    ));
                }
                open.push(element(&start, line)?);
            }
            Event::Empty(start) if ignoring == 0 => {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(Problem::new(
                        line,
                        "more elements than a signature file has",
                    ));
                }
                let child = element(&start, line)?;
                if let Some(parent) = open.last_mut() {
                    parent.children.push(child);
                }
            }
            Event::End(_) if ignoring > 0 => ignoring -= 1,
            Event::End(_) => {
                if let (Some(child), Some(parent)) = (open.pop(), open.last_mut()) {
                    parent.children.push(child);
                }
            }
            Event::Text(text) if ignoring == 0 => push_text(&mut open, utf8(&text, line)?),
            Event::CData(text) if ignoring == 0 => push_text(&mut open, utf8(&text, line)?),
            Event::GeneralRef(reference) if ignoring == 0 => {
                let name = format!("&{};", utf8(&reference, line)?);
                let text = escape::unescape(&name)
                    .map_err(|error| Problem::new(line, error.to_string()))?;
                push_text(&mut open, &text);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let line = lines.at(reader.buffer_position());
    match (open.pop(), open.is_empty()) {
        (Some(mut root), true) if root.children.len() == 1 => Ok(root.children.swap_remove(0)),
        _ => Err(Problem::new(
            line,
            "the file ends before its root element does",
        )),
    }
}

fn push_text(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn utf8(bytes: &[u8], line: usize) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| Problem::new(line, "not UTF-8"))
}

fn element(start: &BytesStart<'_>, line: usize) -> Result<Element, Problem> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Problem::new(line, error.to_string()))?;
        let value = escape::unescape(utf8(&attribute.value, line)?)
            .map_err(|error| Problem::new(line, error.to_string()))?
            .into_owned();
        attributes.push((utf8(attribute.key.as_ref(), line)?.to_owned(), value));
    }
    Ok(Element {
        name: utf8(start.local_name().as_ref(), line)?.to_owned(),
        line,
        attributes,
        ..Element::default()
    })
}

/// Counts lines up to a position that only moves forward.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> usize {
        let position = usize::try_from(position)
            .unwrap_or(usize::MAX)
            .min(self.text.len());
        if let Some(passed) = self.text.as_bytes().get(self.at..position) {
            self.line += memchr::memchr_iter(b'\n', passed).count();
            self.at = position;
        }
        self.line
    }
}
