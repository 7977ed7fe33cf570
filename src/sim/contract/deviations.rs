//! Where the real platform is known to differ from its published document, and how that is known.
//!
//! Short names of sources: `fly-go` is Fly's own Go client, `flyctl` its command line, `docs` the documentation at fly.io/docs/machines,
//! `ampbase` the comments of the Terraform provider ampbase-io/fly on what the live API did, `document` the descriptions in the
//! document itself where its schema says something else.

use serde_json::Value;

use super::schema::Schema;
use crate::http::transport::Method;

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }

    pub(super) fn fits(self, value: &Value) -> bool {
        let kind = Self::of(value);
        kind == self || (self == Self::Number && kind == Self::Integer)
    }
}

/// A property that may be of more kinds than the document says (`also` holds the only ones, if it does not name the property).
pub(super) struct Property {
    /// The schema that it is in, and the way from there.
    pub(super) schema: &'static str,
    /// Its name; `*` for any.
    pub(super) name: &'static str,
    pub(super) also: &'static [Kind],
    pub(super) source: &'static str,
}

const fn also(schema: &'static str, name: &'static str, also: &'static [Kind], source: &'static str) -> Property {
    Property { schema, name, also, source }
}

/// Properties that differ.
pub(super) const PROPERTIES: &[Property] = &[
    // Apps
    also("App", "app_role", &[Kind::String], "fly-go reads it from every app"),
    also("App", "cname_target", &[Kind::String], "fly-go reads it from every app"),
    also("App", "created_at", &[Kind::Integer], "docs: the answer to a create has it, in milliseconds"),
    also("CreateAppRequest", "app_name", &[Kind::String], "docs call the name so, and the API takes both"),
    // Machines
    also("Machine", "version", &[Kind::String], "fly-go reads it: the same as `instance_id`"),
    also("Machine", "containers", &[Kind::Array], "fly-go reads the state of each container from it"),
    also("Machine", "config", &[Kind::Null], "ampbase: null while the host does not answer"),
    also("fly.MachineService", "autostop", &[Kind::Boolean], "fly-go: returned as false, true or \"suspend\""),
    also("fly.MachineService", "force_instance_key", &[Kind::Null], "fly-go always sends it, as null"),
    also("fly.MachineConfig", "volumes", &[Kind::Array], "fly-go has it, for volumes of containers"),
    also("fly.HTTPResponseOptions/headers", "*", &[Kind::String, Kind::Array, Kind::Boolean], "fly-go: any value"),
    also("fly.ContainerConfig", "mounts", &[Kind::Array], "fly-go has it, for volumes of containers"),
    also("fly.ContainerDependency", "condition", &[Kind::String], "document: its values are words"),
    also("SignalRequest", "signal", &[Kind::Integer], "fly-go sends the number"),
    also("updateMetadataRequest/metadata", "*", &[Kind::Null], "docs: null removes a key"),
    // Volumes
    also("Volume", "attached_machine_id", &[Kind::Null], "docs: null while nothing mounts it"),
    also("Volume", "attached_alloc_id", &[Kind::Null], "docs: null while nothing mounts it"),
    also("OrgVolume", "attached_machine_id", &[Kind::Null], "docs: null while nothing mounts it"),
    also("OrgVolume", "attached_alloc_id", &[Kind::Null], "docs: null while nothing mounts it"),
    also("OrgVolumesResponse", "error_regions", &[Kind::Array], "the listing of machines has it; assumed of this one"),
    // Secrets
    also("AppSecretsUpdateRequest/values", "*", &[Kind::Null], "fly-go: null unsets a secret"),
    also("SetSecretkeyRequest", "value", &[Kind::String], "fly-go sends base64"),
    // Addresses
    also("AssignIPResponse", "ip", &[Kind::Null], "document: null for a pair of egress addresses"),
    also("AssignIPResponse", "network", &[Kind::Null], "fly-go: only a Flycast address has one"),
    also("IPAssignment", "network", &[Kind::Null], "fly-go: only a Flycast address has one"),
];

/// Query parameters that the document does not have.
pub(super) const QUERIES: &[(Method, &str, &str, &str)] = &[
    (Method::Post, "/v1/apps", "wait", "fly-go sends it"),
    (Method::Delete, "/v1/apps/{app_name}", "force", "docs: also with machines in it"),
    (Method::Delete, "/v1/apps/{app_name}/machines/{machine_id}", "kill", "fly-go calls `force` so"),
    (Method::Post, "/v1/apps/{app_name}/machines/{machine_id}/restart", "force_stop", "fly-go sends it"),
    (Method::Post, "/v1/apps/{app_name}/machines/{machine_id}/lease", "ttl", "fly-go sends it here, without a body"),
    (Method::Get, "/v1/apps/{app_name}/secrets", "version", "fly-go calls `min_version` so"),
];

/// Requests that may come without the body that the document requires.
pub(super) const BODILESS: &[(Method, &str, &str)] =
    &[(Method::Post, "/v1/apps/{app_name}/machines/{machine_id}/lease", "fly-go sends the time to live in the query")];

/// Paths that the document does not have, and why they may answer; `**` stands for the rest.
pub(super) const UNDOCUMENTED: &[(&str, &str)] = &[
    ("/v1/apps/{app_name}/network_policies/**", "docs: network policies"),
    ("/v1/apps/{app_name}/network_policies", "docs: network policies"),
    ("/api/v2/projects/{project_id}/branches/{branch_id}/reset_to_parent", "known of Neon's own clients"),
];

/// An answer that differs as a whole.
pub(super) struct Answer {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) status: u16,
    pub(super) shape: Shape,
    pub(super) source: &'static str,
}

/// What an answer is instead.
pub(super) enum Shape {
    /// A named schema.
    Named(&'static str),
    /// `{"status": …, "data": …}` around a named schema.
    Envelope(&'static str),
    /// `{"status": …, "data": {"ok": true}}`.
    Released,
    /// Text values by name.
    Texts,
}

impl Shape {
    pub(super) fn schema(&self) -> Schema {
        let enveloped = |data| Schema::object("", [("status", Schema::kind(Kind::String)), ("data", data)]);
        match self {
            Self::Named(name) => Schema::reference(name),
            Self::Envelope(name) => enveloped(Schema::reference(name)),
            Self::Released => enveloped(Schema::object("", [("ok", Schema::kind(Kind::Boolean))])),
            Self::Texts => Schema::kind(Kind::Object),
        }
    }
}

/// The answer to whoever does not hold a lease: `{"status": "error", "message": …, "code": …}`, as flyctl prints it.
pub(super) fn conflict() -> Schema {
    let text = || Schema::kind(Kind::String);
    Schema::object("", [("status", text()), ("message", text()), ("code", text())])
}

/// Answers that differ.
pub(super) const ANSWERS: &[Answer] = &[
    Answer {
        method: Method::Post,
        path: "/v1/apps",
        status: 201,
        shape: Shape::Named("App"),
        source: "fly-go reads a whole app from it; the document says nothing",
    },
    Answer {
        method: Method::Get,
        path: "/v1/apps/{app_name}/machines/{machine_id}/lease",
        status: 200,
        shape: Shape::Envelope("Lease"),
        source: "fly-go reads the envelope",
    },
    Answer {
        method: Method::Post,
        path: "/v1/apps/{app_name}/machines/{machine_id}/lease",
        status: 201,
        shape: Shape::Envelope("Lease"),
        source: "fly-go reads the envelope",
    },
    Answer {
        method: Method::Delete,
        path: "/v1/apps/{app_name}/machines/{machine_id}/lease",
        status: 200,
        shape: Shape::Released,
        source: "fly-go reads the envelope",
    },
    Answer {
        method: Method::Put,
        path: "/v1/apps/{app_name}/machines/{machine_id}/metadata",
        status: 200,
        shape: Shape::Texts,
        source: "docs: the new metadata come back",
    },
    Answer {
        method: Method::Patch,
        path: "/v1/apps/{app_name}/machines/{machine_id}/metadata",
        status: 200,
        shape: Shape::Texts,
        source: "docs: the new metadata come back",
    },
];
