//! Reading settings, once, at the start.
//!
//! Owns where settings come from (the environment), how a text becomes a value, and what is
//! said about a setting that cannot be used. Does not own which settings there are.
//!
//! Always: every problem is reported at once and by name; a value is never repeated in a
//! message, because it may be a secret; a name that nobody reads is a problem, because it is
//! most likely a misspelt one. A setting that is empty counts as not set, as it is what
//! `${NAME:-}` leaves in a compose file.

mod problems;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::SecretString;

pub use problems::{Problem, Problems};
pub use value::{Bytes, Number, Url, Value};

/// Settings as they were found, by their full names.
#[derive(Default)]
pub struct Settings {
    values: BTreeMap<String, Option<String>>,
}

impl Settings {
    /// Settings from a map of full names.
    pub fn from_map(map: BTreeMap<String, String>) -> Self {
        let values = map.into_iter().map(|(name, value)| (name, Some(value)));
        Self {
            values: values.collect(),
        }
    }

    /// The environment variables whose names begin with `prefix`.
    pub fn from_env(prefix: &str) -> Self {
        let values = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name, value.into_string().ok()));
        Self {
            values: values.collect(),
        }
    }

    /// Builds a configuration, or says everything that stands in its way. What `build`
    /// returns is dropped if there is any problem, so it may hold stand-ins until then.
    pub fn read<T>(&self, build: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Problems> {
        let mut reader = Reader {
            settings: self,
            asked: BTreeSet::new(),
            ignored: Vec::new(),
            problems: Vec::new(),
        };
        let config = build(&mut reader);
        reader.finish().map(|()| config)
    }
}

/// Hands out settings by name and remembers what was wrong with them.
pub struct Reader<'a> {
    settings: &'a Settings,
    asked: BTreeSet<&'static str>,
    ignored: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Any text.
    pub fn string(&mut self, name: &'static str) -> Setting<'_, String> {
        self.get(name)
    }

    /// An address with a scheme.
    pub fn url(&mut self, name: &'static str) -> Setting<'_, Url> {
        self.get(name)
    }

    /// `250ms`, `30s`, `5m`, `2h`, `7d`.
    pub fn duration(&mut self, name: &'static str) -> Setting<'_, Duration> {
        self.get(name)
    }

    /// `512`, `64KiB`, `64MiB`, `5GiB`.
    pub fn bytes(&mut self, name: &'static str) -> Setting<'_, Bytes> {
        self.get(name)
    }

    /// `true` or `false`.
    pub fn bool(&mut self, name: &'static str) -> Setting<'_, bool> {
        self.get(name)
    }

    /// A whole number.
    pub fn number<N: Number>(&mut self, name: &'static str) -> Setting<'_, N> {
        self.get(name)
    }

    /// A text that is never shown.
    pub fn secret(&mut self, name: &'static str) -> Setting<'_, SecretString> {
        self.get(name)
    }

    /// Anything that can be read from a text.
    pub fn get<T: Value>(&mut self, name: &'static str) -> Setting<'_, T> {
        self.asked.insert(name);
        let found = match self.settings.values.get(name) {
            None => None,
            Some(None) => {
                self.problem(name, "is not UTF-8");
                Some(T::stand_in())
            }
            Some(Some(text)) if text.is_empty() => None,
            Some(Some(text)) => Some(T::parse(text).unwrap_or_else(|| {
                self.problem(name, format!("is not {}", T::EXPECTED));
                T::stand_in()
            })),
        };
        Setting {
            problems: &mut self.problems,
            name,
            found,
        }
    }

    /// Whether `name` is set to anything.
    pub fn is_set(&mut self, name: &'static str) -> bool {
        self.asked.insert(name);
        let value = self.settings.values.get(name);
        value.is_some_and(|value| value.as_deref() != Some(""))
    }

    /// Adds a problem that only the caller can see, such as two settings that exclude each other.
    pub fn problem(&mut self, name: &'static str, message: impl Display) {
        self.problems.push(Problem::new(name, message));
    }

    /// The names that were asked for so far, in order.
    pub fn asked(&self) -> Vec<&'static str> {
        self.asked.iter().copied().collect()
    }

    /// Lets every name that begins so pass unread: it is meant for another process.
    pub fn ignore(&mut self, beginning: &'static str) {
        self.ignored.push(beginning);
    }

    fn finish(mut self) -> Result<(), Problems> {
        for name in self.settings.values.keys() {
            let ignored = self.ignored.iter().any(|start| name.starts_with(start));
            if !ignored && !self.asked.contains(name.as_str()) {
                self.problems.push(Problem::unknown(name, &self.asked));
            }
        }
        Problems::check(self.problems)
    }
}

/// One setting that was asked for, before it is said what happens if it is not there.
pub struct Setting<'r, T> {
    problems: &'r mut Vec<Problem>,
    name: &'static str,
    found: Option<T>,
}

impl<T: Value> Setting<'_, T> {
    /// It need not be set.
    pub fn optional(self) -> Option<T> {
        self.found
    }

    /// It is `default` unless set.
    pub fn or(self, default: impl Into<T>) -> T {
        self.found.unwrap_or_else(|| default.into())
    }

    /// It must be set.
    pub fn required(self) -> T {
        self.found.unwrap_or_else(|| {
            self.problems.push(Problem::new(self.name, "must be set"));
            T::stand_in()
        })
    }

    /// If set, it must lie within `range`.
    #[must_use]
    pub fn within(self, range: RangeInclusive<T>) -> Self
    where
        T: PartialOrd + std::fmt::Debug,
    {
        if self
            .found
            .as_ref()
            .is_some_and(|value| !range.contains(value))
        {
            let message = format!("is not between {:?} and {:?}", range.start(), range.end());
            self.problems.push(Problem::new(self.name, message));
        }
        self
    }
}

#[cfg(test)]
mod tests;
