//! From what a client sends to what is executed, whichever way it comes.
//!
//! Owns the order: the document is found, measured and only then parsed; the operation is chosen; only then is
//! asked who calls, and whether they may watch one thing more. Does not own HTTP (`http`) or websockets (`socket`).

use std::sync::Arc;

use async_graphql::{Data, Request, Response, ServerError, parser::types::OperationType};
use futures::{StreamExt as _, stream, stream::BoxStream};

use super::{
    ApiSchema, Settings,
    context::Session,
    document::{self, Chosen},
    errors::server_error,
    loaders::Loaders,
    measure::Meter,
    parameters::Parameters,
    settings::Introspection,
    timing,
    watchers::{Watchers, Watching},
};
use crate::{
    App, Error,
    auth::{Caller, token::TokenVerifier},
};

/// What requests are answered with.
#[derive(Clone)]
pub struct Endpoint {
    /// The handles.
    pub app: App,
    /// Who is who.
    pub verifier: Arc<dyn TokenVerifier>,
    pub(super) settings: Settings,
    watchers: Arc<Watchers>,
    schema: ApiSchema,
    /// For those who may not ask what the schema is: it does not say so by the way either.
    reserved: ApiSchema,
}

/// What a client asks for, before it is asked who that is.
pub(super) struct Asked {
    request: Request,
    tokens: usize,
    pub(super) chosen: Chosen,
}

/// What is to be executed.
pub(super) struct Admitted {
    schema: ApiSchema,
    request: Request,
    mutation: bool,
    pub(super) meter: Arc<Meter>,
    /// Held for as long as a subscription runs.
    watching: Option<Watching>,
}

impl Endpoint {
    /// Over an [`App`].
    pub fn new(app: App, verifier: Arc<dyn TokenVerifier>, settings: Settings) -> Self {
        timing::prepare();
        Self {
            schema: super::schema(app.clone(), &settings, true),
            reserved: super::schema(app.clone(), &settings, false),
            watchers: Arc::default(),
            app,
            verifier,
            settings,
        }
    }

    /// What a request asks for. Nothing has been done for it yet.
    pub(super) fn read(&self, mut parameters: Parameters) -> Result<Asked, ServerError> {
        let limits = &self.settings.limits;
        let document = self.settings.trusted.document(&mut parameters);
        let document = document.map_err(server_error)?;
        let tokens = limits.check_text(&document).map_err(server_error)?;
        let mut request = parameters.request(document);
        let chosen = document::choose(&mut request, limits)?;
        Ok(Asked {
            request,
            tokens,
            chosen,
        })
    }

    /// Puts to a request who sends it.
    pub(super) async fn admit(
        &self,
        asked: Asked,
        bearer: Option<&str>,
        request_id: &str,
    ) -> Result<Admitted, ServerError> {
        let session = self.session(bearer, request_id);
        let session = tokio::time::timeout(self.settings.limits.time, session);
        let session = session.await.map_err(|_| {
            server_error(Error::Unavailable(
                "who calls could not be found out in time".into(),
            ))
        })?;
        let open = match self.settings.introspection {
            Introspection::Everyone => true,
            Introspection::SignedIn => matches!(session, Some(Ok(_))),
            Introspection::Nobody => false,
        };
        if !open && asked.chosen.shape.introspects {
            return Err(server_error(match session {
                Some(Err(error)) => error,
                None if self.settings.introspection == Introspection::SignedIn => {
                    Error::Unauthenticated(
                        "what the schema is, is told to those who send a token: `Authorization: Bearer …`".into(),
                    )
                }
                _ => Error::Forbidden("what the schema is, is not told here".into()),
            }));
        }
        let watching = match &session {
            Some(Ok(caller)) if asked.chosen.ty == OperationType::Subscription => {
                let begun = self
                    .watchers
                    .begin(&caller.actor.subject, &self.settings.limits);
                Some(begun.map_err(server_error)?)
            }
            // Whoever is nobody is refused by the subscription itself.
            _ => None,
        };
        let mut request = asked.request;
        let meter = Arc::new(Meter::new(asked.tokens));
        request.data = self.data(session);
        request.data.insert(Arc::clone(&meter));
        Ok(Admitted {
            schema: if open { &self.schema } else { &self.reserved }.clone(),
            request,
            mutation: asked.chosen.ty == OperationType::Mutation,
            meter,
            watching,
        })
    }

    async fn session(&self, bearer: Option<&str>, request_id: &str) -> Option<Session> {
        let token = bearer?;
        Some(match self.verifier.verify(token).await {
            Ok(actor) => Ok(Caller {
                actor,
                request_id: request_id.to_owned(),
            }),
            Err(error) => Err(error),
        })
    }

    fn data(&self, session: Option<Session>) -> Data {
        let mut data = Data::default();
        if let Some(session) = session {
            if let Ok(caller) = &session {
                data.insert(Loaders::new(&self.app, &caller.actor));
            }
            data.insert::<Session>(session);
        }
        data
    }

    /// Executes a query or mutation, for as long as it may take.
    pub(super) async fn execute(&self, admitted: Admitted) -> Response {
        let work = admitted.schema.execute(admitted.request);
        let answer = tokio::time::timeout(self.settings.limits.time, work).await;
        answer.unwrap_or_else(|_| self.out_of_time(admitted.mutation))
    }

    /// The answers to whatever operation, one after another; those of a subscription have no end.
    pub(super) fn stream(
        &self,
        admitted: Admitted,
        operation: OperationType,
    ) -> BoxStream<'static, Response> {
        if operation == OperationType::Subscription {
            let watching = admitted.watching;
            let answers = admitted.schema.execute_stream(admitted.request);
            return answers
                .inspect(move |_| {
                    let _held = &watching;
                })
                .boxed();
        }
        let endpoint = self.clone();
        stream::once(async move { endpoint.execute(admitted).await }).boxed()
    }

    /// A mutation may have been carried out all the same: to send it again is right, to ask for less is not.
    fn out_of_time(&self, mutation: bool) -> Response {
        let error = if mutation {
            Error::Unavailable("a mutation ran out of time".into())
        } else {
            self.settings.limits.out_of_time()
        };
        Response::from_errors(vec![server_error(error)])
    }
}
