//! IP addresses of an app.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// IP addresses of an app. A kind that is not mentioned is not managed; `false` removes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ips {
    /// Short for `sharedV4: true` and `v6: true`: what a public web app needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// A shared IPv4 address, free of charge; for HTTP and TLS on ports 80 and 443.
    #[serde(rename = "sharedV4", default, skip_serializing_if = "Option::is_none")]
    pub shared_v4: Option<bool>,
    /// A dedicated IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<bool>,
    /// A dedicated IPv4 address, charged by Fly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v4: Option<bool>,
    /// A private address behind the Fly proxy: `true`, or the network (and organization) that may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flycast: Option<Flycast>,
}

/// A private address behind the Fly proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flycast {
    /// None.
    Off,
    /// One, reachable from the app's own network.
    On,
    /// One, reachable from another network.
    In(FlycastNetwork),
}

/// The network that may reach a Flycast address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlycastNetwork {
    /// Name of the network. Default: the organization's default network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Slug of the organization. Default: the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
}

impl Serialize for Flycast {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On => serializer.serialize_bool(true),
            Self::In(network) => network.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Flycast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlycastVisitor;

        impl<'de> Visitor<'de> for FlycastVisitor {
            type Value = Flycast;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`true`, `false` or a map with `network` and `org`")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flycast, E> {
                Ok(if value { Flycast::On } else { Flycast::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Flycast, A::Error> {
                FlycastNetwork::deserialize(MapAccessDeserializer::new(map)).map(Flycast::In)
            }
        }

        deserializer.deserialize_any(FlycastVisitor)
    }
}

impl JsonSchema for Flycast {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Flycast".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let network = generator.subschema_for::<FlycastNetwork>();
        json_schema!({"anyOf": [{"type": "boolean"}, network]})
    }
}
