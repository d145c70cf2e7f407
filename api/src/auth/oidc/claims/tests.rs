use serde_json::json;

use super::*;

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_claim_is_found_by_its_path() {
    let claims = map(json!({
        "realm_access": {"roles": ["archivist", 7, "reader", "reader"]},
        "cognito:groups": ["muniment-admin"],
        "https://example.org/roles": ["reader"],
        "a~b": {"": "x"},
        "scope": "openid muniment:reader,muniment:worker\tother",
        "list": [{"roles": "reader"}],
        "n": 1,
    }));
    for (path, expected) in [
        ("realm_access.roles", &["archivist", "reader"][..]),
        ("/realm_access/roles", &["archivist", "reader"]),
        ("cognito:groups", &["muniment-admin"]),
        ("/https:~1~1example.org~1roles", &["reader"]),
        ("/a~0b/", &["x"]),
        (
            "scope",
            &["openid", "muniment:reader", "muniment:worker", "other"],
        ),
        ("/list/0/roles", &["reader"]),
        ("list.0.roles", &[]),
        ("realm_access", &[]),
        ("realm_access.roles.x", &[]),
        ("n", &[]),
        ("absent", &[]),
        ("/absent/x", &[]),
    ] {
        assert_eq!(
            ClaimPath::parse(path).unwrap().texts(&claims),
            expected,
            "{path}"
        );
    }
}

#[test]
fn what_is_no_path_is_refused() {
    for path in ["", ".", "a.", "a..b", " a", "/a~b", "/a~2", "/a~"] {
        assert!(ClaimPath::parse(path).is_err(), "{path:?}");
    }
}

#[test]
fn roles_are_ours_in_any_case_and_with_a_prefix() {
    let texts = [
        "Admin",
        "muniment-ARCHIVIST",
        "MUNIMENT:reader",
        "reader",
        "muniment-",
        "root",
        "muniment-muniment-admin",
    ];
    let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    assert_eq!(roles(&texts), [Role::Admin, Role::Archivist, Role::Reader]);
}

fn rules() -> Rules {
    Rules {
        issuer: "https://id".into(),
        audience: "muniment".into(),
        cognito: false,
        roles: ClaimPath::parse("roles").unwrap(),
        bodies: ClaimPath::parse("bodies").unwrap(),
        max_age: None,
    }
}

/// The claims of a good token, some of them others.
fn understood(rules: &Rules, change: Value) -> Result<Actor, String> {
    let mut claims = map(json!({
        "iss": "https://id", "aud": "muniment", "sub": "ann", "exp": 1_000, "iat": 900, "roles": "reader",
    }));
    for (name, value) in map(change) {
        if value.is_null() {
            claims.remove(&name);
        } else {
            claims.insert(name, value);
        }
    }
    rules.understand(&claims, DateTime::from_timestamp(950, 0).unwrap())
}

#[test]
fn only_what_is_meant_for_us_is_taken() {
    for (change, taken) in [
        (json!({}), true),
        (json!({"aud": ["other", "muniment"]}), true),
        (json!({"aud": ["other"]}), false),
        (json!({"aud": "muniment2"}), false),
        (json!({"aud": null}), false),
        (
            json!({"aud": null, "client_id": "muniment", "token_use": "access"}),
            false,
        ),
        (json!({"aud": {"muniment": true}}), false),
        (json!({"iss": "https://id/"}), false),
        (json!({"iss": ["https://id"]}), false),
        (json!({"iss": null}), false),
        (json!({"sub": null}), false),
        (json!({"sub": ""}), false),
        (json!({"sub": "a\u{0}b"}), false),
        (json!({"sub": "x".repeat(256)}), false),
        (json!({"sub": "apikey_00000000000000000000000001"}), false),
        (json!({"sub": "muniment/1.0"}), false),
    ] {
        assert_eq!(
            understood(&rules(), change.clone()).is_ok(),
            taken,
            "{change}"
        );
    }
}

#[test]
fn a_token_is_taken_in_its_time_and_a_minute_around_it() {
    for (change, taken) in [
        (json!({"exp": 951}), true),
        (json!({"exp": 891}), true),
        (json!({"exp": 890}), false),
        (json!({"exp": 891.9}), true),
        (json!({"exp": "1000"}), false),
        (json!({"exp": -1}), false),
        (json!({"exp": 1e300}), false),
        (json!({"exp": i64::MAX}), false),
        (json!({"exp": null}), false),
        (json!({"nbf": 1_010}), true),
        (json!({"nbf": 1_011}), false),
        (json!({"nbf": "soon"}), false),
    ] {
        assert_eq!(
            understood(&rules(), change.clone()).is_ok(),
            taken,
            "{change}"
        );
    }
    assert_eq!(
        understood(&rules(), json!({}))
            .unwrap()
            .expires_at
            .timestamp(),
        1_060
    );
}

#[test]
fn a_token_may_be_too_old_before_it_expires() {
    let rules = Rules {
        max_age: Some(Duration::from_mins(1)),
        ..rules()
    };
    for (change, until) in [
        (json!({"iat": 900}), Some(960)),
        (json!({"iat": 890}), None),
        (json!({"iat": 1_011}), None),
        (json!({"iat": null}), None),
        (json!({"iat": 950, "exp": 940}), Some(1_000)),
    ] {
        let until_when =
            understood(&rules, change.clone()).map(|actor| actor.expires_at.timestamp());
        assert_eq!(until_when.ok(), until, "{change}");
    }
}

#[test]
fn access_tokens_of_cognito_name_their_client_in_place_of_an_audience() {
    let rules = Rules {
        cognito: true,
        ..rules()
    };
    for (change, taken) in [
        (
            json!({"aud": null, "client_id": "muniment", "token_use": "access"}),
            true,
        ),
        (
            json!({"aud": null, "client_id": "other", "token_use": "access"}),
            false,
        ),
        (
            json!({"aud": "other", "client_id": "muniment", "token_use": "access"}),
            false,
        ),
        (
            json!({"aud": null, "client_id": "muniment", "token_use": "id"}),
            false,
        ),
        (json!({"token_use": "id"}), true),
        (json!({"token_use": "refresh"}), false),
        (json!({}), false),
    ] {
        assert_eq!(
            understood(&rules, change.clone()).is_ok(),
            taken,
            "{change}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn a_pointer_finds_what_the_library_finds(path in "(/[a-c~/01]{0,4}){1,3}") {
        let claims = json!({"a": {"b": "x", "": "y"}, "b": ["z"], "": "w", "a/b": "s", "~": "t"});
        let ours = ClaimPath::parse(&path).ok().and_then(|path| path.find(&map(claims.clone())).cloned());
        if ClaimPath::parse(&path).is_ok() {
            proptest::prop_assert_eq!(ours.as_ref(), claims.pointer(&path));
        }
    }
}
