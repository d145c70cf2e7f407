//! Collections: what belongs together, who may see it, and the policy that it has.
//!
//! Owns the rules of a policy and the limits of a collection's texts. Does not own the decision about a
//! version, which is taken under a policy (`checks`).

pub mod graphql;
pub mod service;
pub mod store;

use contract::checks;
use serde::{Deserialize, Serialize};

use crate::{Error, text};

pub use entity::collection::Model as Collection;
pub use entity::policy::Model as PolicyRow;

/// What to do with a file of which something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PolicyAction {
    /// Nothing: it is welcome.
    Accept,
    /// It is taken, with a warning that stays with it.
    Warn,
    /// A person decides.
    Ask,
    /// It is refused.
    Reject,
}

/// What a collection demands of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    /// The checks that must have a result.
    pub required_checks: Vec<String>,
    /// The only formats that are taken; empty: every one that is not denied.
    pub allowed_puids: Vec<String>,
    /// Formats that are refused.
    pub denied_puids: Vec<String>,
    /// The extension belongs to another format.
    pub on_extension_mismatch: PolicyAction,
    /// The content is encrypted.
    pub on_encrypted: PolicyAction,
    /// There are no bytes, or only a byte order mark.
    pub on_empty: PolicyAction,
    /// No format was recognised.
    pub on_unidentified: PolicyAction,
    /// It is an archive of further files, which were not looked into.
    pub on_archive: PolicyAction,
    /// The antivirus engine did not look at every byte.
    pub on_not_scanned: PolicyAction,
}

impl Default for Rules {
    /// Careful: what no check looked at is asked about.
    fn default() -> Self {
        Self {
            required_checks: checks::BUILT_IN.map(str::to_owned).to_vec(),
            allowed_puids: Vec::new(),
            denied_puids: Vec::new(),
            on_extension_mismatch: PolicyAction::Ask,
            on_encrypted: PolicyAction::Reject,
            on_empty: PolicyAction::Reject,
            on_unidentified: PolicyAction::Warn,
            on_archive: PolicyAction::Warn,
            on_not_scanned: PolicyAction::Ask,
        }
    }
}

impl Rules {
    /// The policy of the embedded default collection, where there is no antivirus engine: what was not
    /// scanned is taken with a warning.
    pub fn embedded_default() -> Self {
        Self {
            on_not_scanned: PolicyAction::Warn,
            ..Self::default()
        }
    }

    /// Refuses rules that make no sense.
    pub fn check(&self, path: &str) -> Result<(), Error> {
        let required = format!("{path}.requiredChecks");
        if self.required_checks.len() > 20 {
            return Err(Error::input(required, "at most 20 checks may be required"));
        }
        for kind in &self.required_checks {
            if !checks::is_valid_kind(kind) {
                return Err(Error::input(
                    required,
                    format!(
                        "{kind:?} cannot name a check: capitals, digits and _ only, at most 32"
                    ),
                ));
            }
        }
        if !self
            .required_checks
            .iter()
            .any(|kind| kind == checks::CHECKSUM)
        {
            return Err(Error::input(required, "CHECKSUM is always required"));
        }
        for (name, puids) in [
            ("allowedPuids", &self.allowed_puids),
            ("deniedPuids", &self.denied_puids),
        ] {
            let path = format!("{path}.{name}");
            if puids.len() > 5_000 {
                return Err(Error::input(path, "at most 5000 PUIDs may be listed"));
            }
            if let Some(bad) = puids.iter().find(|puid| !is_puid(puid)) {
                return Err(Error::input(
                    path,
                    format!("{bad:?} is no PUID, such as fmt/40 or x-fmt/111"),
                ));
            }
        }
        Ok(())
    }
}

fn is_puid(text: &str) -> bool {
    let number = text
        .strip_prefix("x-fmt/")
        .or_else(|| text.strip_prefix("fmt/"));
    number.is_some_and(|number| {
        (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A collection's code: 1 to 64 of letters, digits, `-`, `_`, `.` and `/`.
pub fn check_code(path: &str, code: &str) -> Result<(), Error> {
    let fits = (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Error::input(
            path,
            "a code has 1 to 64 letters, digits, or - _ . /",
        ))
    }
}

/// Limits of the texts that people write.
pub fn check_texts(
    path: &str,
    title: Option<&str>,
    description: Option<&str>,
) -> Result<(), Error> {
    if let Some(title) = title {
        text::check(&format!("{path}.title"), title, text::TITLE)?;
    }
    if let Some(description) = description {
        text::check(&format!("{path}.description"), description, text::LONG)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        type Break = fn(&mut Rules);
        let broken: [(&str, Break); 5] = [
            ("no checksum", |rules| rules.required_checks.clear()),
            ("no name of a check", |rules| {
                rules.required_checks.push("ocr".into());
            }),
            ("too many", |rules| {
                rules.required_checks = vec!["CHECKSUM".into(); 21];
            }),
            ("no PUID", |rules| {
                rules.denied_puids.push("pdf".into());
            }),
            ("no number", |rules| rules.allowed_puids.push("fmt/".into())),
        ];
        for (what, break_it) in broken {
            let mut rules = Rules::default();
            assert!(rules.check("policy").is_ok());
            break_it(&mut rules);
            assert!(rules.check("policy").is_err(), "{what}");
        }
    }

    #[test]
    fn a_code_has_no_spaces() {
        for (code, fits) in [
            ("MAPS-2026/a", true),
            ("", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(check_code("code", code).is_ok(), fits, "{code}");
        }
    }
}
