//! How the scopes of other providers are reached: the address of each API, the token of each scope, and what reads and writes there.

use std::collections::{BTreeMap, BTreeSet};

use super::load::{LoadError, Loaded};
use super::pass::base_url;
use super::variables::Variables;
use crate::desired::Wanted;
use crate::http::{Connection, ReadClient, Shared, Token, WriteClient};
use crate::memory::Memory;
use crate::providers::objects::{ObjectReader, ObjectWriter};
use crate::providers::{fly, neon, supabase, vercel};
use crate::resource::{OrgSlug, Provider, ScopeKey};
use crate::spec::controller::{ControllerProvider, CredentialSource};

/// The environment variable that a provider's token is read from unless `Controller` says otherwise: the one that its own tools read.
const fn usual_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Neon => "NEON_API_KEY",
        Provider::Vercel => "VERCEL_TOKEN",
        Provider::Supabase => "SUPABASE_ACCESS_TOKEN",
        Provider::Postgres => "FLY_API_TOKEN",
    }
}

impl Loaded {
    /// All scopes of other providers that matter: those that environments have something in, and those that the controller's settings
    /// name.
    pub fn object_scopes(&self) -> BTreeSet<ScopeKey> {
        let ready = self.fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => Some(env.as_ref()),
            Wanted::Broken { .. } => None,
        });
        let wanted = ready.flat_map(|env| env.objects.iter().map(|object| object.key.scope.clone()));
        let named = [Provider::Neon, Provider::Supabase, Provider::Vercel].into_iter().flat_map(|provider| {
            let projects = self.provider(provider).into_iter().flat_map(|settings| settings.projects.keys());
            projects.map(move |project| ScopeKey::new(provider, project))
        });
        let fly = self.settings.iter().filter_map(|settings| settings.fly.as_ref());
        let clusters = fly.flat_map(|fly| fly.organizations.iter().filter(|(_, organization)| organization.postgres));
        let clusters = clusters.map(|(slug, _)| ScopeKey::new(Provider::Postgres, slug));
        wanted.chain(named).chain(clusters).chain(self.fleet.scopes.iter().cloned()).collect()
    }

    fn provider(&self, provider: Provider) -> Option<&ControllerProvider> {
        let settings = self.settings.as_ref()?;
        match provider {
            Provider::Neon => settings.neon.as_ref(),
            Provider::Vercel => settings.vercel.as_ref(),
            Provider::Supabase => settings.supabase.as_ref(),
            Provider::Postgres => None,
        }
    }

    /// The token of a scope: never another scope's.
    pub fn scope_token(&self, scope: &ScopeKey, variables: &dyn Variables) -> Result<Token, LoadError> {
        if scope.provider == Provider::Postgres {
            return self.token(&OrgSlug::new(scope.name.as_str()), variables);
        }
        let settings = self.provider(scope.provider);
        let of_scope = settings.and_then(|settings| settings.projects.get(&scope.name)?.token.as_ref());
        let source = of_scope.or_else(|| settings.and_then(|settings| settings.token.as_ref()));
        let (label, value) = match source {
            Some(CredentialSource::FromFile(path)) => {
                let value = variables.file(path);
                (
                    path.as_str(),
                    Some(value.map_err(|problem| LoadError::ScopeTokenFile { scope: scope.clone(), problem })?),
                )
            }
            Some(CredentialSource::FromEnv(name)) => (name.as_str(), variables.variable(name)),
            None => (usual_variable(scope.provider), variables.variable(usual_variable(scope.provider))),
        };
        if let Some(value) = value {
            return Ok(Token::new(label, value.expose())?);
        }
        if variables.stand_in(label).is_some() {
            let prefix = if scope.provider == Provider::Supabase { "sbp" } else { "sim" };
            return Ok(Token::new(label, &format!("{prefix}_{}", scope.provider.name()))?);
        }
        Err(LoadError::NoScopeToken {
            scope: scope.clone(),
            variable: label.to_owned(),
            setting: format!("spec.{}.token", scope.provider.name()),
        })
    }

    fn connection(
        &self,
        scope: &ScopeKey,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<Connection, LoadError> {
        let token = self.scope_token(scope, variables)?;
        if scope.provider == Provider::Postgres {
            return Ok(fly::client::connection(&base_url(self, variables), token, shared.clone()));
        }
        let set = self.provider(scope.provider).and_then(|settings| settings.base_url.clone());
        let at = |usual: &str| set.clone().unwrap_or_else(|| usual.to_owned());
        Ok(match scope.provider {
            Provider::Vercel => {
                vercel::client::connection(&at(vercel::client::DEFAULT_BASE_URL), token, shared.clone())
            }
            Provider::Supabase => supabase::connection(&at(supabase::DEFAULT_BASE_URL), token, shared.clone()),
            _ => neon::client::connection(&at(neon::client::DEFAULT_BASE_URL), token, shared.clone()),
        })
    }
}

/// Scopes that no spec names any more, in which something may be left, and for which there is a token.
pub(super) fn former_scopes(loaded: &Loaded, memory: &Memory, variables: &dyn Variables) -> BTreeSet<ScopeKey> {
    let mut former: BTreeSet<ScopeKey> = memory.scopes.difference(&loaded.object_scopes()).cloned().collect();
    former.retain(|scope| match loaded.scope_token(scope, variables) {
        Ok(_) => true,
        Err(problem) => {
            tracing::warn!(%scope, %problem, "something may be left in a scope that no spec names any more");
            false
        }
    });
    former
}

/// What reads these scopes. Nothing is sent.
pub(super) fn readers(
    scopes: &BTreeSet<ScopeKey>,
    loaded: &Loaded,
    variables: &dyn Variables,
    shared: &Shared,
) -> Result<BTreeMap<ScopeKey, ObjectReader>, LoadError> {
    let connect = |scope: &ScopeKey| {
        let http = ReadClient::new(loaded.connection(scope, variables, shared)?);
        let reader: ObjectReader = match scope.provider {
            Provider::Neon => neon::objects::reader(http, scope, shared),
            Provider::Vercel => vercel::objects::reader(http, scope, &loaded.fleet.owner, shared),
            Provider::Postgres => fly::objects::reader(http, scope, &loaded.fleet.owner, shared),
            Provider::Supabase => supabase::objects::reader(http, scope, &loaded.fleet.owner, shared),
        };
        Ok((scope.clone(), reader))
    };
    scopes.iter().map(connect).collect()
}

/// What writes to these scopes. Nothing is sent.
pub(super) fn writers(
    scopes: &BTreeSet<ScopeKey>,
    loaded: &Loaded,
    variables: &dyn Variables,
    shared: &Shared,
) -> Result<BTreeMap<ScopeKey, ObjectWriter>, LoadError> {
    let connect = |scope: &ScopeKey| {
        let http = WriteClient::new(loaded.connection(scope, variables, shared)?);
        let writer: ObjectWriter = match scope.provider {
            Provider::Neon => neon::objects::writer(http, scope, shared),
            Provider::Vercel => vercel::objects::writer(http, scope, &loaded.fleet.owner, shared),
            Provider::Postgres => fly::objects::writer(http, scope, &loaded.fleet.owner, shared),
            Provider::Supabase => supabase::objects::writer(http, scope, &loaded.fleet.owner, shared),
        };
        Ok((scope.clone(), writer))
    };
    scopes.iter().map(connect).collect()
}
