//! What can be done with API keys: authorise, load, rule, save and event, in one transaction.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use contract::ApiKeyId;
use serde::Serialize;
use serde_json::json;

use super::{ApiKey, Standing, actor, check, digest, opens, read_token, standing, store, token};
use crate::{
    App, Error,
    auth::{Action, Actor, Caller, Credential, Resource, Role},
    page::{Args, Page},
    unit::{Happened, Unit, answered},
};

/// How often it is noted that a key was shown.
const NOTED: TimeDelta = TimeDelta::minutes(1);

/// A key to be.
#[derive(Debug)]
pub struct New {
    /// What it is for.
    pub name: String,
    /// What it is.
    pub roles: Vec<Role>,
    /// Codes of its bodies.
    pub bodies: Vec<String>,
    /// Until when it is taken.
    pub expires_at: DateTime<Utc>,
}

/// The part of the input that a repeated call must have again.
#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    roles: &'a [&'static str],
    bodies: &'a [String],
    expires_at: DateTime<Utc>,
}

/// Makes a key. Its text is answered with it, and never again: a replay has none.
pub async fn create(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: New,
) -> Result<(ApiKey, Option<String>), Error> {
    caller.may(Action::CreateApiKey, &Resource::default())?;
    let New {
        name,
        roles,
        bodies,
        expires_at,
    } = without_repeats(new);
    let unit = app.begin(caller).await?;
    let role_names: Vec<&'static str> = roles.iter().map(|role| role.as_str()).collect();
    let input = Input {
        name: &name,
        roles: &role_names,
        bodies: &bodies,
        expires_at,
    };
    if let Some(answer) = unit.replay("createApiKey", key, &input).await? {
        let id: ApiKeyId = answered(answer)?;
        let row = store::load(unit.db(), id.0).await?;
        return Ok((row.ok_or(Error::NotFound("API key"))?, None));
    }
    check(
        &caller.actor,
        &name,
        &roles,
        &bodies,
        expires_at,
        unit.now(),
    )?;
    let secret = rand::random::<[u8; 32]>();
    let row = ApiKey {
        id: unit.id(),
        name,
        roles: json!(role_names),
        bodies: json!(bodies),
        secret_sha256: digest(&secret),
        created_by: caller.actor.subject.clone(),
        created_at: unit.now(),
        // What the databases keep.
        expires_at: expires_at.trunc_subsecs(6),
        last_used_at: None,
        revoked_at: None,
        revoked_by: None,
    };
    let row = store::insert(&unit, row).await?;
    let id = ApiKeyId(row.id);
    unit.remember(key, id).await?;
    let after = json!({
        "name": row.name,
        "roles": row.roles,
        "bodies": row.bodies,
        "expiresAt": row.expires_at,
    });
    finish(unit, id, "apiKey.created", after).await?;
    Ok((row, Some(token(id, &secret))))
}

fn without_repeats(mut new: New) -> New {
    new.roles.sort_unstable();
    new.roles.dedup();
    let mut bodies: Vec<String> = Vec::new();
    for body in new.bodies {
        if !bodies.contains(&body) {
            bodies.push(body);
        }
    }
    New { bodies, ..new }
}

/// A page of keys, newest first.
pub async fn list(app: &App, caller: &Caller, args: &Args) -> Result<Page<ApiKey>, Error> {
    caller.may(Action::ReadApiKeys, &Resource::default())?;
    store::list(app.database(), args).await
}

/// Ends a key. One that was ended already is nothing done.
pub async fn revoke(app: &App, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, Error> {
    caller.may(Action::RevokeApiKey, &Resource::default())?;
    let unit = app.begin(caller).await?;
    let row = store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("API key"))?;
    if row.revoked_at.is_some() {
        return Ok(row);
    }
    let row = store::revoke(&unit, row).await?;
    let after = json!({"name": row.name, "revokedAt": row.revoked_at});
    finish(unit, id, "apiKey.revoked", after).await?;
    Ok(row)
}

async fn finish(
    mut unit: Unit,
    id: ApiKeyId,
    action: &'static str,
    after: serde_json::Value,
) -> Result<(), Error> {
    let happened = Happened {
        action,
        after: Some(after),
        ..Happened::default()
    };
    unit.event(id, happened);
    unit.commit().await
}

/// Who a key stands for. Which part of it is wrong is not told.
pub async fn verify(app: &App, text: &str) -> Result<Actor, Error> {
    let wrong = || Error::Unauthenticated("there is no such API key".into());
    let (id, secret) = read_token(text).ok_or_else(wrong)?;
    let row = store::load(app.database(), id.0)
        .await?
        .filter(|row| opens(row, &secret))
        .ok_or_else(wrong)?;
    let now = app.clock().now();
    check_standing(&row, now)?;
    note_use(app, &row, now).await;
    Ok(actor(&row))
}

fn check_standing(row: &ApiKey, now: DateTime<Utc>) -> Result<(), Error> {
    match standing(row, now) {
        Standing::Active => Ok(()),
        Standing::Expired => Err(Error::Unauthenticated("the API key has expired".into())),
        Standing::Revoked => Err(Error::Unauthenticated("the API key was revoked".into())),
    }
}

/// Whether what an actor has shown is still taken, for those that live longer than a request.
pub async fn still_taken(app: &App, actor: &Actor) -> Result<(), Error> {
    let Credential::ApiKey(id) = actor.credential else {
        return Ok(());
    };
    let row = store::load(app.database(), id.0).await?;
    let row = row.ok_or_else(|| Error::Unauthenticated("there is no such API key".into()))?;
    check_standing(&row, app.clock().now())
}

/// At most once a minute. A database that cannot write now is no reason to turn anybody away.
async fn note_use(app: &App, row: &ApiKey, now: DateTime<Utc>) {
    let before = now - NOTED;
    if row.last_used_at.is_some_and(|noted| noted > before) {
        return;
    }
    let noted = async {
        let unit = app.begin_internal().await?;
        store::used(&unit, row.id, before).await?;
        unit.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(key = %ApiKeyId(row.id), ?error, "the use of an API key was not noted");
    }
}
