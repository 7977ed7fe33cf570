//! Answers of other providers: every decoder, through the typed client of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hangar::http::{ReadClient, Shared, Token, WriteClient};
use hangar::observed::ObjectScope;
use hangar::providers::neon;
use hangar::providers::neon::client::{BranchRef, NeonError, NeonWriter};
use hangar::providers::neon::wire::{
    CreateBranch, CreateEndpoint, Restore, RestorePoint, UpdateBranch, UpdateEndpoint,
};
use hangar::providers::vercel;
use hangar::providers::vercel::client::{
    DeployedTo, DeploymentFilter, DomainChange, NewDomain, NewVariable, Target, VariableChange, VercelError,
    VercelScope, VercelWriter,
};
use hangar::providers::vercel::wire::VariableKind;
use hangar::random::Random;
use hangar::resource::object::Fields;
use hangar::resource::{ObjectKey, ObjectKind, Provider, ScopeKey};
use hangar::secret::SecretText;

use crate::targets::{Answers, PLANTED, clock, on_paused_clock};

const PROJECT: &str = "quiet-river-100001";

/// One answer of Neon to one call: the first byte says which call, the second which status, the rest is the body. What cannot be read
/// is a typed error that says what to do.
pub fn neon_answer(data: &[u8]) {
    asked(data, "https://neon.test/api/v2", |call, shared, token, base| async move {
        let writer = NeonWriter::new(WriteClient::new(neon::client::connection(base, token, shared.clone())));
        let told = ask_neon(call, &writer).await.map_err(|error| (error.to_string(), error.reason(), error.advice()));
        // The same body as the answer to everything that a pass reads of a project.
        let scope = ScopeKey::new(Provider::Neon, PROJECT);
        let http =
            ReadClient::new(neon::client::connection(base, Token::new("PLANTED", PLANTED).unwrap(), shared.clone()));
        let reader = neon::objects::reader(http, &scope, &shared);
        let mut seen: ObjectScope = reader.list().await;
        let key =
            |name: &str| ObjectKey { scope: scope.clone(), object: ObjectKind::NeonBranch, name: name.to_owned() };
        let names: Vec<String> = seen.objects.items.iter().map(|object| object.key.name.clone()).collect();
        let wanted: BTreeMap<ObjectKey, Fields> = names.iter().map(|name| (key(name), Fields::new())).collect();
        reader.look_closely(&mut seen, &wanted).await;
        assert!(seen.objects.completeness.is_complete() || seen.objects.items.is_empty());
        told
    });
}

/// The same of Vercel.
pub fn vercel_answer(data: &[u8]) {
    asked(data, "https://vercel.test", |call, shared, token, base| async move {
        let http = WriteClient::new(vercel::client::connection(base, token, shared));
        let writer = VercelWriter::new(http, VercelScope::of("team_1"));
        ask_vercel(call, &writer).await.map_err(|error| (error.to_string(), error.reason(), error.advice()))
    });
}

/// Asks once, and asserts that an error explains itself and shows no token.
fn asked<F, R>(data: &[u8], base: &'static str, ask: F)
where
    F: FnOnce(usize, Shared, Token, &'static str) -> R,
    R: Future<Output = Result<(), (String, &'static str, &'static str)>>,
{
    const STATUSES: [u16; 16] = [200, 200, 200, 200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 422, 423, 500];
    let [call, status, body @ ..] = data else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let body = Bytes::copy_from_slice(body);
    let answers = Arc::new(Answers(Box::new(move |_| (status, body.clone()))));
    on_paused_clock(async {
        let shared = Shared::new(answers, clock(), Random::from_seed(1));
        let token = Token::new("PLANTED", PLANTED).expect("it is a token");
        if let Err((said, reason, advice)) = ask(usize::from(*call), shared, token, base).await {
            assert!(!said.is_empty() && !reason.is_empty() && !advice.is_empty(), "{said} {reason} {advice}");
            assert!(!said.contains(PLANTED), "the token is shown");
        }
    });
}

async fn ask_neon(number: usize, writer: &NeonWriter) -> Result<(), NeonError> {
    const CALLS: usize = 19;
    let at = BranchRef { project: PROJECT, branch: "br-calm-sea-100002" };
    let endpoint = "ep-cool-dew-100003";
    let reader = writer.reader();
    match number % CALLS {
        0 => reader.project(PROJECT).await.map(drop),
        1 => reader.branches(PROJECT).await.map(drop),
        2 => reader.branch_named(PROJECT, "main").await.map(drop),
        3 => reader.branch_count(PROJECT).await.map(drop),
        4 => reader.branch(at).await.map(drop),
        5 => reader.endpoints(at).await.map(drop),
        6 => reader.project_endpoints(PROJECT).await.map(drop),
        7 => reader.roles(at).await.map(drop),
        8 => reader.databases(at).await.map(drop),
        9 => reader.password(at, "owner").await.map(drop),
        10 => reader.operations(PROJECT).await.map(drop),
        11 => {
            let branch = CreateBranch {
                name: "main".to_owned(),
                endpoints: vec![CreateEndpoint::read_write()],
                ..CreateBranch::default()
            };
            let made = writer.create_branch(PROJECT, &branch).await?;
            writer.finished(&made.operations, PROJECT, std::time::Duration::from_mins(1)).await
        }
        12 => writer.update_branch(at, &UpdateBranch::default()).await.map(drop),
        13 => writer.delete_branch(at).await.map(drop),
        14 => {
            let wanted = Restore { source_id: "br-1".to_owned(), point: RestorePoint::Now, preserve_under_name: None };
            writer.restore(at, &wanted).await.map(drop)
        }
        15 => writer.update_endpoint(PROJECT, endpoint, &UpdateEndpoint::default()).await.map(drop),
        16 => writer.create_role(at, "owner").await.map(drop),
        17 => writer.create_database(at, "app", "owner").await.map(drop),
        _ => reader.operation(PROJECT, "op").await.map(drop),
    }
}

async fn ask_vercel(number: usize, writer: &VercelWriter) -> Result<(), VercelError> {
    const CALLS: usize = 24;
    let (project, id) = ("prj_1", "dpl_1");
    let reader = writer.reader();
    match number % CALLS {
        0 => reader.user().await.map(drop),
        1 => reader.project(project).await.map(drop),
        2 => reader.last_alias_request(project).await.map(drop),
        3 => reader.variables(project).await.map(drop),
        4 => reader.variable(project, id).await.map(drop),
        5 => reader.domains(project).await.map(drop),
        6 => reader.domain(project, "a.example.com").await.map(drop),
        7 => {
            let filter = DeploymentFilter { most: 10, ..DeploymentFilter::default() };
            reader.deployments(project, &filter).await.map(drop)
        }
        8 => reader.deployment(id).await.map(drop),
        9 => reader.aliases_of(id).await.map(drop),
        10 => reader.aliases(project).await.map(drop),
        11 => reader.alias("a.example.com").await.map(drop),
        12 => reader.build_log(id, 20).await.map(drop),
        13 => {
            let variable = NewVariable {
                key: "KEY".to_owned(),
                value: SecretText::new("value"),
                kind: VariableKind::Encrypted,
                target: vec![Target::Preview],
                git_branch: Some("feature".to_owned()),
                custom_environment_ids: vec![],
                comment: None,
            };
            writer.upsert_variables(project, &[variable]).await.map(drop)
        }
        14 => writer.update_variable(project, id, &VariableChange::default()).await.map(drop),
        15 => writer.delete_variable(project, id).await.map(drop),
        16 => {
            let domain = NewDomain {
                name: "a.example.com".to_owned(),
                git_branch: None,
                custom_environment_id: None,
                redirect: None,
            };
            writer.add_domain(project, &domain).await.map(drop)
        }
        17 => writer.update_domain(project, "a.example.com", &DomainChange::default()).await.map(drop),
        18 => writer.redeploy(project, id, &DeployedTo::Preview, &[]).await.map(drop),
        19 => writer.delete_deployment(id).await.map(drop),
        20 => writer.assign_alias(id, "a.example.com").await.map(drop),
        21 => writer.generate_bypass(project, None, "note").await.map(drop),
        22 => writer.promote(project, id).await,
        _ => writer.cancel_deployment(id).await.map(drop),
    }
}
