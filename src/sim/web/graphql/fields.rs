//! The fields that can be asked for.

use serde_json::{Map, Value, json};

use super::super::super::routes::{Call, check_org};
use super::super::super::world::World;
use super::super::super::world::app::App;
use super::super::super::world::image::Behaviour;
use super::super::super::world::rfc3339;
use super::super::ledger::{Release, Status};
use super::super::objects::{Organization, email, id_of, organizations};
use super::Problem;

/// Something that fields can be asked of, or a value.
#[derive(Clone)]
pub(super) enum Node<'w> {
    /// What every query begins with.
    Root,
    App(&'w App),
    /// Its kind, and all its fields.
    Object(&'static str, Vec<(&'static str, Node<'w>)>),
    List(Vec<Node<'w>>),
    Leaf(Value),
}

impl Node<'_> {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Root => "Query",
            Self::App(_) => "App",
            Self::Object(kind, _) => kind,
            Self::List(_) | Self::Leaf(_) => "",
        }
    }

    /// A whole list, as one page.
    fn connection(kind: &'static str, nodes: Vec<Self>) -> Self {
        let total = leaf(nodes.len());
        Self::Object(kind, vec![("nodes", Self::List(nodes)), ("totalCount", total)])
    }

    fn empty(kind: &'static str) -> Self {
        Self::connection(kind, Vec::new())
    }
}

fn leaf<'w>(value: impl Into<Value>) -> Node<'w> {
    Node::Leaf(value.into())
}

/// Where fields come from.
pub(super) struct Source<'w> {
    pub(super) world: &'w World,
    pub(super) call: &'w Call,
}

type Found<'w> = Result<Node<'w>, Problem>;

impl<'w> Source<'w> {
    /// A field of `node`.
    pub(super) fn field(&self, node: &Node<'w>, name: &str, arguments: &Map<String, Value>) -> Found<'w> {
        if name == "__typename" {
            return Ok(leaf(node.kind()));
        }
        let found = match node {
            Node::Root => self.root(name, arguments)?,
            Node::App(app) => self.app(app, name, arguments),
            Node::Object(_, fields) => fields.iter().find(|(known, _)| *known == name).map(|(_, node)| node.clone()),
            Node::List(_) | Node::Leaf(_) => None,
        };
        found.ok_or_else(|| {
            Problem::new(
                "undefinedField",
                format!("Field '{name}' doesn't exist on type '{}' (in the simulator)", node.kind()),
            )
        })
    }

    fn root(&self, name: &str, arguments: &Map<String, Value>) -> Result<Option<Node<'w>>, Problem> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(Some(match name {
            "app" => Node::App(self.find(text("name"))?),
            "apps" => self.apps(arguments),
            "organization" => {
                let slug = text("slug");
                check_org(self.world, self.call, slug)
                    .map_err(|_refusal| Problem::new("NOT_FOUND", "Could not find Organization"))?;
                self.organization(slug)
            }
            "organizations" => {
                let slugs = organizations(self.world, self.call);
                Node::connection("OrganizationConnection", slugs.iter().map(|slug| self.organization(slug)).collect())
            }
            "viewer" => self.viewer(),
            "canPerformBluegreenDeployment" => {
                self.find(text("name"))?;
                leaf(true)
            }
            "appNameAvailable" => leaf(!self.world.apps.contains_key(text("name"))),
            "latestImageDetails" => {
                let image = text("image").split([':', '@']).next().unwrap_or_default();
                return Err(Problem::new("NOT_FOUND", format!("Unknown repository {image}")));
            }
            "nearestRegion" => {
                let code = leaf(self.world.config.default_region.as_str());
                Node::Object(
                    "Region",
                    vec![
                        ("name", leaf(self.world.config.default_region.as_str())),
                        ("code", code),
                        ("gatewayAvailable", leaf(true)),
                    ],
                )
            }
            // Add-ons, such as the buckets that a deletion looks for, do not exist here.
            "addOns" => Node::empty("AddOnConnection"),
            "addOn" => return Err(Problem::new("NOT_FOUND", "Could not find AddOn")),
            _ => return Ok(None),
        }))
    }

    fn find(&self, name: &str) -> Result<&'w App, Problem> {
        let missing = |_refusal| Problem::new("NOT_FOUND", format!("Could not find App \"{name}\""));
        self.call.app(self.world, name).map_err(missing)
    }

    /// One page of the apps of all organizations that the caller sees, in order of their names.
    fn apps(&self, arguments: &Map<String, Value>) -> Node<'w> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let (after, org) = (text("after"), text("organizationId"));
        let first = arguments.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok());
        let wanted = |app: &&App| {
            !app.deleting
                && self.call.caller.sees(&app.org)
                && self.call.caller.sees_app(&app.id)
                && (text("role").is_empty() || app.role == text("role"))
                && (org.is_empty() || id_of(&app.org) == org)
                && app.name.as_str() > after
        };
        let mut rest = self.world.apps.values().filter(|app| app.visible_from <= self.call.now).filter(wanted);
        let page: Vec<&App> = rest.by_ref().take(first.unwrap_or(200)).collect();
        let end = leaf(page.last().map(|app| app.name.clone()).unwrap_or_default());
        let info = Node::Object("PageInfo", vec![("hasNextPage", leaf(rest.next().is_some())), ("endCursor", end)]);
        let nodes = page.into_iter().map(Node::App).collect();
        Node::Object("AppConnection", vec![("nodes", Node::List(nodes)), ("pageInfo", info)])
    }

    fn organization(&self, slug: &str) -> Node<'w> {
        let org = Organization::of(self.world, slug);
        let kind = if org.is_personal() { "PERSONAL" } else { "SHARED" };
        Node::Object(
            "Organization",
            vec![
                ("id", leaf(org.id)),
                ("internalNumericId", leaf(org.number.to_string())),
                ("slug", leaf(org.slug.clone())),
                ("rawSlug", leaf(org.slug)),
                ("name", leaf(org.name)),
                ("type", leaf(kind)),
                ("paidPlan", leaf(true)),
                ("billable", leaf(true)),
                ("viewerRole", leaf("admin")),
                ("remoteBuilderImage", leaf(Value::Null)),
                ("remoteBuilderApp", leaf(Value::Null)),
                ("limitedAccessTokens", Node::empty("LimitedAccessTokenConnection")),
            ],
        )
    }

    fn viewer(&self) -> Node<'w> {
        let email = email(self.call);
        Node::Object(
            "User",
            vec![
                ("id", leaf(id_of(&email))),
                ("name", leaf(email.as_str())),
                ("email", leaf(email)),
                ("enablePaidHobby", leaf(false)),
            ],
        )
    }

    fn app(&self, app: &'w App, name: &str, arguments: &Map<String, Value>) -> Option<Node<'w>> {
        let releases = self.world.ledger.releases(&app.id);
        let current = || releases.last().map_or(leaf(Value::Null), release);
        Some(match name {
            // The GraphQL id of an app is its name.
            "id" | "name" => leaf(app.name.as_str()),
            "internalNumericId" => leaf(app.number),
            "hostname" => leaf(format!("{}.fly.dev", app.name)),
            "appUrl" => leaf(format!("https://{}.fly.dev", app.name)),
            "cnameTarget" => leaf(format!("{}.{}.fly.dev", app.id, app.name)),
            "network" => leaf(app.network.as_str()),
            "status" => leaf(app.status()),
            "deployed" => leaf(app.deployed),
            "version" => leaf(releases.last().map_or(0, |release| release.version)),
            "platformVersion" => leaf("machines"),
            "createdAt" => leaf(rfc3339(app.created_at)),
            "organization" => self.organization(&app.org),
            "role" => leaf(Value::Null),
            "currentRelease" | "currentReleaseUnprocessed" => current(),
            "releases" | "releasesUnprocessed" => {
                let first =
                    arguments.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok());
                let newest = releases.iter().rev().take(first.unwrap_or(25));
                Node::connection("ReleaseConnection", newest.map(release).collect())
            }
            "config" => {
                let definition = releases.last().map(|release| release.definition.clone()).unwrap_or_default();
                Node::Object("AppConfig", vec![("definition", leaf(definition))])
            }
            "image" => self.image(arguments.get("ref").and_then(Value::as_str).unwrap_or_default()),
            "secrets" => Node::List(app.vault.render_all().iter().map(secret).collect()),
            "machines" => {
                let machines = app.machines.values().filter(|machine| !machine.is_destroyed());
                let shown = machines.map(|machine| {
                    Node::Object(
                        "Machine",
                        vec![
                            ("id", leaf(machine.id.as_str())),
                            ("name", leaf(machine.name.as_str())),
                            ("state", leaf(machine.state.as_str())),
                            ("region", leaf(machine.region.as_str())),
                            ("createdAt", leaf(rfc3339(machine.created_at))),
                            // Addresses of outgoing connections belong to apps here, not to machines.
                            ("egressIpAddresses", Node::empty("EgressIpAddressConnection")),
                        ],
                    )
                });
                Node::connection("MachineConnection", shown.collect())
            }
            "ipAddresses" => {
                let shown = app.addresses.iter().map(|address| {
                    Node::Object(
                        "IPAddress",
                        vec![
                            ("id", leaf(id_of(&address.ip))),
                            ("address", leaf(address.ip.as_str())),
                            ("type", leaf(address.kind.as_str())),
                            ("region", leaf(address.region.as_str())),
                            ("createdAt", leaf(rfc3339(address.created_at))),
                        ],
                    )
                });
                Node::connection("IPAddressConnection", shown.collect())
            }
            "limitedAccessTokens" => Node::empty("LimitedAccessTokenConnection"),
            "services" => Node::List(Vec::new()),
            _ => return None,
        })
    }

    /// What a reference stands for now; null if there is no such image.
    fn image(&self, reference: &str) -> Node<'w> {
        if reference.is_empty() || self.world.images.behaviour(reference) == Behaviour::Missing {
            return leaf(Value::Null);
        }
        let found = self.world.images.clone().resolve(reference);
        let part = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (repository, digest) = (format!("{}/{}", part("registry"), part("repository")), part("digest"));
        let tag = Some(part("tag")).filter(|tag| !tag.is_empty()).map(|tag| format!(":{tag}")).unwrap_or_default();
        Node::Object(
            "Image",
            vec![
                ("id", leaf(digest.as_str())),
                ("ref", leaf(format!("{repository}{tag}@{digest}"))),
                ("digest", leaf(digest)),
                ("compressedSize", leaf("0")),
                ("compressedSizeFull", leaf("0")),
                ("manifest", leaf(json!({}))),
            ],
        )
    }
}

fn release<'w>(release: &Release) -> Node<'w> {
    let user = Node::Object(
        "User",
        vec![
            ("id", leaf(id_of(&release.user))),
            ("name", leaf(release.user.as_str())),
            ("email", leaf(release.user.as_str())),
        ],
    );
    Node::Object(
        "Release",
        vec![
            ("id", leaf(release.id.as_str())),
            ("version", leaf(release.version)),
            ("status", leaf(release.status.as_str())),
            ("stable", leaf(release.status == Status::Complete)),
            ("inProgress", leaf(release.status.is_in_progress())),
            ("deploymentStrategy", leaf(release.strategy.as_str())),
            ("description", leaf("Release")),
            ("reason", leaf("")),
            ("evaluationId", leaf("")),
            ("imageRef", leaf(release.image.as_str())),
            ("configDefinition", leaf(release.definition.clone())),
            ("createdAt", leaf(rfc3339(release.created_at))),
            ("user", user),
        ],
    )
}

fn secret<'w>(shown: &Value) -> Node<'w> {
    let part = |name: &str| leaf(shown.get(name).cloned().unwrap_or_default());
    Node::Object("Secret", vec![("name", part("name")), ("digest", part("digest")), ("createdAt", part("created_at"))])
}
