//! What a resolver finds in its context.

use async_graphql::Context;

use crate::{App, Error, auth::Caller, graphql::loaders::Loaders};

/// Who calls, or why we do not know.
pub type Session = Result<Caller, Error>;

/// The handles.
pub fn app<'a>(ctx: &Context<'a>) -> Result<&'a App, Error> {
    ctx.data_opt::<App>()
        .ok_or_else(|| Error::Internal("the schema has no App".into()))
}

/// Who calls; without a valid token, [`Error::Unauthenticated`].
pub fn caller<'a>(ctx: &Context<'a>) -> Result<&'a Caller, Error> {
    match ctx.data_opt::<Session>() {
        // A websocket may live longer than the token that it was opened with.
        Some(Ok(caller)) if caller.actor.expires_at <= app(ctx)?.clock().now() => Err(
            Error::Unauthenticated("the token has expired: get a new one and connect again".into()),
        ),
        Some(Ok(caller)) => Ok(caller),
        Some(Err(error)) => Err(error.clone()),
        None => Err(Error::Unauthenticated(
            "send a token: `Authorization: Bearer …`".into(),
        )),
    }
}

/// The loaders of this request.
pub fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, Error> {
    caller(ctx)?;
    ctx.data_opt::<Loaders>()
        .ok_or_else(|| Error::Internal("the request has no loaders".into()))
}
