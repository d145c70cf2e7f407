use std::num::NonZeroU32;

use secrecy::ExposeSecret;

use super::*;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_map(pairs.collect())
}

fn parsed<T: Value>(text: &str) -> Option<T> {
    T::parse(text)
}

#[test]
fn durations_and_sizes_are_read_with_their_units() {
    for (text, seconds) in [
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("2 h", 7_200),
        ("7d", 604_800),
    ] {
        assert_eq!(parsed(text), Some(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(parsed("250ms"), Some(Duration::from_millis(250)));
    for (text, bytes) in [
        ("512", 512),
        ("1B", 1),
        ("64 KiB", 65_536),
        ("64MiB", 67_108_864),
    ] {
        assert_eq!(parsed(text), Some(Bytes(bytes)), "{text}");
    }
    for text in [
        "",
        "s",
        "-1s",
        "1.5h",
        "30",
        "1 w",
        "99999999999999999999s",
        "213503982334602d",
    ] {
        assert_eq!(parsed::<Duration>(text), None, "{text}");
    }
    for text in ["", "MiB", "1MB", "1mib", "-1", "99999999TiB"] {
        assert_eq!(parsed::<Bytes>(text), None, "{text}");
    }
}

#[test]
fn an_address_has_a_scheme_and_something_behind_it() {
    for text in [
        "postgres://u:p@db/muniment",
        "sqlite:file.db",
        "http://127.0.0.1:9000",
    ] {
        assert!(parsed::<Url>(text).is_some(), "{text}");
    }
    for text in [
        "",
        "db",
        "http://",
        "://db",
        "4://db",
        "http://a b",
        "http://a\n",
    ] {
        assert_eq!(parsed::<Url>(text), None, "{text}");
    }
    let url = parsed::<Url>("http://s3:9000/");
    assert_eq!(url.as_ref().map(Url::as_str), Some("http://s3:9000"));
}

#[test]
fn what_is_set_wins_over_the_default() {
    let settings = settings(&[("M_GRACE", "5s"), ("M_JSON", "true"), ("M_EMPTY", "")]);
    let read = settings.read(|s| {
        (
            s.duration("M_GRACE").or(Duration::from_secs(20)),
            s.bool("M_JSON").or(false),
            s.string("M_EMPTY").or("default"),
            s.bytes("M_PART").or(1_024),
            s.number::<u16>("M_PORT").optional(),
        )
    });
    let expected = (
        Duration::from_secs(5),
        true,
        "default".to_owned(),
        Bytes(1_024),
        None,
    );
    assert_eq!(read, Ok(expected));
}

#[test]
fn every_problem_is_reported_at_once_by_name_and_without_the_value() {
    let settings = settings(&[
        ("M_GRACE", "hunter2"),
        ("M_JOBS", "hunter2"),
        ("M_PORT", "70000"),
        ("M_WIDE", "1000"),
        ("M_DATABSE_URL", "postgres://hunter2@db"),
    ]);
    let problems = settings.read(|s| {
        s.duration("M_GRACE").or(Duration::ZERO);
        s.number::<NonZeroU32>("M_JOBS").optional();
        s.number::<u16>("M_PORT").or(0_u16);
        s.number::<u32>("M_WIDE").within(1..=10).or(1_u32);
        s.secret("M_SECRET").required();
        s.url("M_DATABASE_URL").optional();
        s.problem("M_OTHER", "excludes M_PORT");
    });
    let text = problems.err().map(|problems| problems.to_string());
    assert_eq!(
        text.as_deref(),
        Some(
            "the settings cannot be used:
  M_DATABSE_URL is not known; did you mean M_DATABASE_URL?
  M_GRACE is not a duration such as 30s
  M_JOBS is not a whole number of at least 1
  M_OTHER excludes M_PORT
  M_PORT is not a whole number from 0 to 65535
  M_SECRET must be set
  M_WIDE is not between 1 and 10"
        )
    );
}

#[test]
fn a_name_for_another_process_is_let_pass() {
    let settings = settings(&[("M_TEST_DATABASE", "postgres"), ("M_ELSE", "x")]);
    let problems = settings.read(|s| s.ignore("M_TEST_"));
    let names = problems.err().map(|problems| {
        let names = problems.iter().map(|problem| problem.name.clone());
        names.collect::<Vec<_>>()
    });
    assert_eq!(names, Some(vec!["M_ELSE".to_owned()]));
}

#[test]
fn a_secret_is_not_shown() {
    let settings = settings(&[("M_KEY", "hunter2")]);
    let secret = settings.read(|s| s.secret("M_KEY").required());
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert_eq!(
        secret.ok().as_ref().map(ExposeSecret::expose_secret),
        Some("hunter2")
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_a_problem() {
    let settings = Settings {
        values: [("M_KEY".to_owned(), None)].into(),
    };
    let problems = settings.read(|s| s.string("M_KEY").optional());
    let text = problems.err().map(|problems| problems.to_string());
    assert_eq!(
        text.as_deref(),
        Some("the settings cannot be used:\n  M_KEY is not UTF-8")
    );
}
