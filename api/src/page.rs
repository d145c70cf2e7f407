//! Pages of lists: Relay connections by keyset on (sort key, id).
//!
//! Owns the arguments, the cursors and the query that fetches one page. Does not own which rows a viewer
//! may see: the select comes scoped from a store.
//!
//! Always: a page has at most [`MAX`] items, and asking for more is an error; a cursor of another order or
//! that was tampered with is an error.

use async_graphql::connection::{Connection, Edge};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter,
    QueryOrder, QuerySelect, Select, Value,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use uuid::Uuid;

use crate::Error;

/// The most items on one page.
pub const MAX: i32 = 100;
/// The items on a page when the client does not say.
pub const DEFAULT: i32 = 20;

/// What a list costs before any of its items: a statement of its own.
const LIST: usize = 50;

/// More than anything may cost, and far from where a sum would run over: costs are added up before `first` is
/// looked at.
const FAR_TOO_MUCH: usize = 1 << 40;

/// What a list may cost: itself, and each item that it may hold.
pub fn cost(first: Option<i32>, last: Option<i32>, item: usize) -> usize {
    let count = first.or(last).unwrap_or(DEFAULT).unsigned_abs();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    cost_of(count, item).saturating_add(LIST)
}

/// What things may cost that are named one by one.
pub fn cost_of(count: usize, item: usize) -> usize {
    count.saturating_mul(item).min(FAR_TOO_MUCH)
}

/// The four arguments of a connection.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// How many from the beginning.
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// How many from the end.
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

/// A list's order: a key of its own and then the id, or the id alone.
pub struct Sort<M> {
    /// Stands in the cursor, so that a cursor of another order is refused.
    pub name: &'static str,
    /// The key as SQL; `None`: the id alone.
    pub key: Option<SimpleExpr>,
    /// The key of a row, as it stands in the cursor.
    pub of: fn(&M) -> String,
    /// The key as a value to compare with.
    pub value: fn(&str) -> Option<Value>,
    /// Newest, largest first.
    pub descending: bool,
}

impl<M> Sort<M> {
    /// In the order of creation.
    pub fn by_id() -> Self {
        Self {
            name: "id",
            key: None,
            of: |_| String::new(),
            value: |_| None,
            descending: false,
        }
    }

    /// Newest first.
    pub fn newest_first() -> Self {
        Self {
            name: "-id",
            descending: true,
            ..Self::by_id()
        }
    }

    /// By a text column, then id.
    pub fn by_text(name: &'static str, column: impl ColumnTrait, of: fn(&M) -> String) -> Self {
        Self {
            name,
            key: Some(Expr::col((column.entity_name(), column))),
            of,
            value: |text| Some(text.into()),
            descending: false,
        }
    }
}

/// One page.
#[derive(Debug, Clone)]
pub struct Page<M> {
    /// The rows, each with its cursor.
    pub items: Vec<(String, M)>,
    /// Whether there is more before.
    pub has_previous: bool,
    /// Whether there is more after.
    pub has_next: bool,
}

impl<M> Page<M> {
    /// As a connection of GraphQL.
    pub fn connection<N>(self, wrap: impl Fn(M) -> N) -> Connection<String, N>
    where
        N: async_graphql::OutputType,
    {
        let mut connection = Connection::new(self.has_previous, self.has_next);
        connection.edges.extend(
            self.items
                .into_iter()
                .map(|(cursor, item)| Edge::new(cursor, wrap(item))),
        );
        connection
    }
}

struct Request {
    limit: u64,
    backwards: bool,
    after: Option<(String, Uuid)>,
    before: Option<(String, Uuid)>,
}

fn read(args: &Args, sort: &'static str, max: i32) -> Result<Request, Error> {
    let (count, path, backwards) = match (args.first, args.last) {
        (Some(_), Some(_)) => {
            return Err(Error::input(
                "last",
                "`first` and `last` cannot be combined",
            ));
        }
        (None, Some(last)) => (last, "last", true),
        (first, None) => (first.unwrap_or(DEFAULT), "first", false),
    };
    if count < 1 {
        return Err(Error::input(path, format!("`{path}` is at least 1")));
    }
    if count > max {
        return Err(Error::Limit(format!(
            "`{path}` is at most {max}; take more by pages, with `after`"
        )));
    }
    let cursor = |text: &Option<String>, path: &str| {
        text.as_deref()
            .map(|text| {
                decode(text, sort)
                    .ok_or_else(|| Error::input(path, "this is not a cursor of this list"))
            })
            .transpose()
    };
    Ok(Request {
        limit: u64::from(count.unsigned_abs()),
        backwards,
        after: cursor(&args.after, "after")?,
        before: cursor(&args.before, "before")?,
    })
}

fn encode(sort: &str, key: &str, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{sort}|{}|{key}", id.simple()))
}

fn decode(text: &str, sort: &str) -> Option<(String, Uuid)> {
    if text.len() > 8192 {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (name, rest) = text.split_once('|')?;
    let (id, key) = rest.split_once('|')?;
    // U+0000 is in no text that PostgreSQL takes.
    (name == sort && !key.contains('\0')).then_some(())?;
    Some((key.to_owned(), Uuid::try_parse(id).ok()?))
}

/// Fetches one page of a scoped select.
pub async fn fetch<E, C>(
    db: &C,
    select: Select<E>,
    id: E::Column,
    sort: Sort<E::Model>,
    id_of: fn(&E::Model) -> Uuid,
    args: &Args,
) -> Result<Page<E::Model>, Error>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: ConnectionTrait,
{
    fetch_up_to(db, select, id, sort, id_of, args, MAX).await
}

/// As [`fetch`], with another bound: for services, not for people.
pub async fn fetch_up_to<E, C>(
    db: &C,
    select: Select<E>,
    id: E::Column,
    sort: Sort<E::Model>,
    id_of: fn(&E::Model) -> Uuid,
    args: &Args,
    max: i32,
) -> Result<Page<E::Model>, Error>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Send + Sync,
    C: ConnectionTrait,
{
    let request = read(args, sort.name, max)?;
    let id_column = || Expr::col((id.entity_name(), id));
    let beyond = |cursor: &(String, Uuid), upwards: bool| -> Result<Condition, Error> {
        let compare = |left: SimpleExpr, right: Value| {
            if upwards {
                left.gt(right)
            } else {
                left.lt(right)
            }
        };
        let by_id = compare(id_column(), cursor.1.into());
        let Some(key) = &sort.key else {
            return Ok(Condition::all().add(by_id));
        };
        let value = (sort.value)(&cursor.0)
            .ok_or_else(|| Error::input("after", "this is not a cursor of this list"))?;
        Ok(Condition::any()
            .add(compare(key.clone(), value.clone()))
            .add(Condition::all().add(key.clone().eq(value)).add(by_id)))
    };
    let mut select = select;
    if let Some(after) = &request.after {
        select = select.filter(beyond(after, !sort.descending)?);
    }
    if let Some(before) = &request.before {
        select = select.filter(beyond(before, sort.descending)?);
    }
    let order = if sort.descending == request.backwards {
        Order::Asc
    } else {
        Order::Desc
    };
    if let Some(key) = &sort.key {
        select = select.order_by(key.clone(), order.clone());
    }
    let mut rows = select
        .order_by(id_column(), order)
        .limit(request.limit + 1)
        .all(db)
        .await?;
    let more = rows.len() as u64 > request.limit;
    rows.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
    if request.backwards {
        rows.reverse();
    }
    let items = rows
        .into_iter()
        .map(|row| (encode(sort.name, &(sort.of)(&row), id_of(&row)), row))
        .collect();
    Ok(Page {
        items,
        has_previous: if request.backwards {
            more
        } else {
            request.after.is_some()
        },
        has_next: if request.backwards {
            request.before.is_some()
        } else {
            more
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_100_items() {
        let page = |first, last| {
            read(
                &Args {
                    first,
                    last,
                    ..Args::default()
                },
                "id",
                MAX,
            )
            .map(|request| (request.limit, request.backwards))
        };
        assert_eq!(page(None, None).ok(), Some((20, false)));
        assert_eq!(page(Some(1), None).ok(), Some((1, false)));
        assert_eq!(page(None, Some(100)).ok(), Some((100, true)));
        assert!(matches!(page(Some(0), None), Err(Error::BadInput { .. })));
        assert!(matches!(page(Some(-1), None), Err(Error::BadInput { .. })));
        assert!(matches!(page(Some(101), None), Err(Error::Limit(_))));
        assert!(matches!(
            page(Some(1), Some(1)),
            Err(Error::BadInput { .. })
        ));
    }

    #[test]
    fn what_costs_far_too_much_can_still_be_added_up() {
        let mut item = 1;
        for _ in 0..20 {
            item = cost(Some(i32::MIN), None, item);
        }
        assert!(item > 1_000_000 && item.checked_mul(100_000).is_some());
        assert_eq!(cost(None, Some(2), 3), 56);
        assert_eq!(cost(None, None, 1), 70);
    }

    proptest::proptest! {
        #[test]
        fn a_cursor_comes_back_from_its_text(key in "[^\0]*", bits: u128) {
            let id = Uuid::from_u128(bits);
            proptest::prop_assert_eq!(decode(&encode("path", &key, id), "path"), Some((key, id)));
        }

        #[test]
        fn a_cursor_of_another_list_is_refused(text: String) {
            proptest::prop_assert_eq!(decode(&text, "id"), None);
            proptest::prop_assert_eq!(decode(&encode("path", &text, Uuid::nil()), "id"), None);
        }
    }

    #[test]
    fn any_bytes_are_a_cursor_or_refused() {
        let encoded = |key: &str| encode("path", key, Uuid::from_u128(7)).into_bytes();
        // As it stands in the cursor, and encoded.
        let seeds = [
            encoded("Minutes/2024/May.pdf"),
            encoded(""),
            encoded("a|b|\u{e9}"),
            b"path|00000000000000000000000000000007|a".to_vec(),
            b"path|00000000-0000-0000-0000-000000000007|a".to_vec(),
        ];
        let regressions =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
        fuzzing::Target::new("cursor", &regressions, &seeds)
            .with_words(&[b"|", b"\0", b"=", b"_", b"-", b"path", b"{", b"urn:uuid:"])
            .at_most(10_000)
            .run(|bytes| {
                let inside = URL_SAFE_NO_PAD.encode(bytes);
                for text in [&*String::from_utf8_lossy(bytes), &*inside] {
                    let Some((key, id)) = decode(text, "path") else {
                        continue;
                    };
                    assert!(!key.contains('\0'), "no database takes it");
                    assert_eq!(decode(&encode("path", &key, id), "path"), Some((key, id)));
                    assert_eq!(decode(text, "id"), None);
                }
            });
    }
}
