//! Canonical JSON.

use proptest::prelude::*;
use serde_json::{Value, json};
use tlog::{canonical, settle};

#[test]
fn members_are_sorted_and_strings_escaped_as_published() {
    // RFC 8785 §3.2.2 and §3.2.3, but for the numbers that are no integers.
    let value: Value = serde_json::from_str(
        r#"{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
    )
    .unwrap();
    assert_eq!(
        canonical(&value).unwrap(),
        "{\"literals\":[null,true,false],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
    );
    let value = json!({
        "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
        "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
    });
    let text = canonical(&value).unwrap();
    let order = [
        "\\r",
        "1",
        "\u{80}",
        "\u{f6}",
        "\u{20ac}",
        "\u{1f600}",
        "\u{fb33}",
    ];
    let places: Vec<_> = order
        .map(|name| text.find(&format!("\"{name}\":")).unwrap())
        .into();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_number_that_readers_may_take_differently_becomes_a_text() {
    let mut value = json!({"a": [1.5, 9_007_199_254_740_991_i64, -9_007_199_254_740_992_i64, u64::MAX], "b": {"c": 1e300}, "d": -1});
    canonical(&value).unwrap_err();
    settle(&mut value);
    assert_eq!(
        canonical(&value).unwrap(),
        r#"{"a":["1.5",9007199254740991,"-9007199254740992","18446744073709551615"],"b":{"c":"1e+300"},"d":-1}"#
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_settled_value_comes_back_from_its_text_and_has_the_same_text_again(mut value in values()) {
        settle(&mut value);
        let text = canonical(&value).unwrap();
        let back: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(canonical(&back).unwrap(), text);
    }
}
