//! What can be done with collections: authorise, load, rule, save and event, in one transaction.

use contract::CollectionId;
use serde::Serialize;
use serde_json::json;

use super::{Collection, Rules, check_code, check_texts, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    checks,
    fixity::EVERY_DAYS,
    text,
    unit::Happened,
};

/// A collection to be.
#[derive(Debug, Serialize)]
pub struct New {
    /// Unique.
    pub code: String,
    /// For people.
    pub title: String,
    /// For people.
    pub description: String,
    /// Code of the owning body.
    pub body: String,
    /// Its first policy.
    pub rules: Rules,
}

/// How a client names a collection.
#[derive(Debug, Clone, Serialize)]
pub enum By {
    /// By its id.
    Id(CollectionId),
    /// By its code.
    Code(String),
}

/// Finds one that the caller may see.
pub async fn find(app: &App, caller: &Caller, by: &By) -> Result<Option<Collection>, Error> {
    let found = match by {
        By::Id(id) => store::lookup(app.database(), &caller.actor, id.0).await?,
        By::Code(code) => store::lookup_code(app.database(), &caller.actor, code).await?,
    };
    Ok(found)
}

/// Adds a collection with its first policy.
pub async fn create(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: New,
) -> Result<Collection, Error> {
    caller.may(Action::CreateCollection, &Resource::default())?;
    check_code("input.code", &new.code)?;
    check_code("input.body", &new.body)?;
    check_texts("input", Some(&new.title), Some(&new.description))?;
    let rules = complete(app, "input.policy", &new.rules)?;
    let mut unit = app.begin(caller).await?;
    if let Some(answer) = unit.replay("createCollection", key, &new).await? {
        let id: CollectionId = crate::unit::answered(answer)?;
        drop(unit);
        return find(app, caller, &By::Id(id))
            .await?
            .ok_or(Error::NotFound("collection"));
    }
    let row = Collection {
        id: unit.id(),
        revision: 1,
        code: new.code,
        title: new.title,
        description: new.description,
        body: new.body,
        policy_revision: 1,
        fixity_every_days: Some(EVERY_DAYS),
        fixity_bytes_per_day: None,
        created_at: unit.now(),
    };
    store::insert(&unit, row.clone(), &rules).await?;
    unit.event(
        CollectionId(row.id),
        Happened {
            action: "collection.created",
            collection_id: Some(row.id),
            after: Some(
                json!({"code": row.code, "title": row.title, "body": row.body, "policy": rules}),
            ),
            ..Happened::default()
        },
    );
    unit.remember(key, CollectionId(row.id)).await?;
    unit.commit().await?;
    Ok(row)
}

/// Changes title and description.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: CollectionId,
    expected_revision: i32,
    title: Option<String>,
    description: Option<String>,
) -> Result<Collection, Error> {
    check_texts("input", title.as_deref(), description.as_deref())?;
    let mut unit = app.begin(caller).await?;
    let mut row = store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("collection"))?;
    caller.may(Action::UpdateCollection, &resource(&row))?;
    crate::unit::check_revision(row.revision, Some(expected_revision))?;
    let before = json!({"title": row.title, "description": row.description});
    row.title = title.unwrap_or(row.title);
    row.description = description.unwrap_or(row.description);
    row.revision += 1;
    let after = json!({"title": row.title, "description": row.description});
    let row = store::update(&unit, row).await?;
    unit.event(
        id,
        Happened {
            action: "collection.updated",
            collection_id: Some(id.0),
            before: Some(before),
            after: Some(after),
            ..Happened::default()
        },
    );
    unit.commit().await?;
    Ok(row)
}

/// The rules as they are kept: with every check that is always run. Refuses those that make no sense, or ask
/// for what nobody does.
fn complete(app: &App, path: &str, rules: &Rules) -> Result<Rules, Error> {
    rules.check(path)?;
    let required: Vec<String> = checks::required(rules)
        .into_iter()
        .map(str::to_owned)
        .collect();
    if let Some(kind) = required.iter().find(|kind| !app.runs_check(kind)) {
        return Err(Error::input(
            format!("{path}.requiredChecks"),
            format!("nobody runs checks of the kind {kind}: no queue is configured for it"),
        ));
    }
    Ok(Rules {
        required_checks: required,
        ..rules.clone()
    })
}

/// Adds a revision of the policy. `change` gets the rules in force.
pub async fn set_policy(
    app: &App,
    caller: &Caller,
    id: CollectionId,
    expected_revision: i32,
    change: impl FnOnce(Rules) -> Rules,
) -> Result<Collection, Error> {
    let mut unit = app.begin(caller).await?;
    let mut row = store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("collection"))?;
    caller.may(Action::SetPolicy, &resource(&row))?;
    crate::unit::check_revision(row.policy_revision, Some(expected_revision))?;
    let (_, before) = store::current_policy(unit.db(), id.0).await?;
    let rules = change(before.clone());
    let rules = complete(app, "input.policy", &rules)?;
    row.policy_revision += 1;
    row.revision += 1;
    store::insert_policy(&unit, id.0, row.policy_revision, &rules).await?;
    let row = store::update(&unit, row).await?;
    unit.event(
        id,
        Happened {
            action: "collection.policySet",
            collection_id: Some(id.0),
            before: Some(json!(before)),
            after: Some(json!({"revision": row.policy_revision, "policy": rules})),
            ..Happened::default()
        },
    );
    unit.commit().await?;
    Ok(row)
}

/// Sees to it that the embedded default collection is there. `scans`: there is an antivirus engine, so that
/// what it did not look at is asked about.
pub async fn ensure_default(app: &App, code: &str, body: &str, scans: bool) -> Result<(), Error> {
    text::check("code", code, text::NAME)?;
    let mut unit = app.begin_internal().await?;
    if store::code_exists(unit.db(), code).await? {
        return Ok(());
    }
    let (rules, description) = if scans {
        (
            Rules::default(),
            "Made at the first start. Its policy asks a person about files that the antivirus engine did not scan.",
        )
    } else {
        (
            Rules::embedded_default(),
            "Made at the first start. Its policy takes files that no antivirus engine has scanned, with a warning.",
        )
    };
    let row = Collection {
        id: unit.id(),
        revision: 1,
        code: code.into(),
        title: "Default collection".into(),
        description: description.into(),
        body: body.into(),
        policy_revision: 1,
        fixity_every_days: Some(EVERY_DAYS),
        fixity_bytes_per_day: None,
        created_at: unit.now(),
    };
    store::insert(&unit, row.clone(), &rules).await?;
    unit.event(
        CollectionId(row.id),
        Happened {
            action: "collection.created",
            collection_id: Some(row.id),
            after: Some(json!({"code": row.code, "body": row.body, "policy": rules})),
            ..Happened::default()
        },
    );
    unit.commit().await
}

/// What the access rule needs to know of a collection.
pub fn resource(row: &Collection) -> Resource<'_> {
    Resource {
        body: Some(&row.body),
        ..Resource::default()
    }
}
