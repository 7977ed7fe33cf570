//! Images: nothing is pulled, a tag's name says how the image behaves, and its digest is derived from the reference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::container::containers_of;

/// How the main process of an image behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Behaviour {
    /// Runs, and its checks pass.
    Healthy,
    /// Takes long to boot, then runs.
    Slow,
    /// Runs, and its checks pass and are critical by turns.
    Flaps,
    /// Runs, but its checks are critical.
    Unhealthy,
    /// Ends by itself with code 0 shortly after start.
    Finishes,
    /// Exits with code 1 shortly after start.
    Crashes,
    /// Is killed for want of memory shortly after start.
    RunsOutOfMemory,
    /// There is no such image.
    Missing,
}

impl Behaviour {
    /// Whether the process runs on and is well.
    pub(crate) const fn is_sound(self) -> bool {
        matches!(self, Self::Healthy | Self::Slow)
    }
}

/// An image reference, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Takes `image` apart; the registry is `docker-hub-mirror.fly.io` and the tag `latest` where none is given.
    pub(crate) fn parse(image: &str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (image, None),
        };
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (name, None),
        };
        let (registry, repository) = match path.split_once('/') {
            Some((host, rest)) if host.contains('.') || host.contains(':') || host == "localhost" => {
                (host.to_owned(), rest.to_owned())
            }
            Some(_) => ("docker-hub-mirror.fly.io".to_owned(), path.to_owned()),
            None => ("docker-hub-mirror.fly.io".to_owned(), format!("library/{path}")),
        };
        let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
        Self { registry, repository, tag, digest }
    }

    fn tagged(&self) -> String {
        format!("{}/{}:{}", self.registry, self.repository, self.tag.as_deref().unwrap_or_default())
    }
}

/// The registry: which digest each tag stands for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Images {
    /// Tags that were moved, and the digest that they stand for now.
    moved: BTreeMap<String, String>,
    /// The tag under which each digest was first seen: an image pinned by digest behaves like that tag.
    tags: BTreeMap<String, String>,
    /// Tags that nobody has pushed yet.
    #[serde(default)]
    awaited: BTreeSet<String>,
}

impl Images {
    /// Lets the tag of `image` stand for other content from now on.
    pub(crate) fn push(&mut self, image: &str, content: &str) {
        let tagged = Reference::parse(image).tagged();
        self.awaited.remove(&tagged);
        let digest = digest_of(&format!("{tagged} {content}"));
        self.tags.insert(digest.clone(), Reference::parse(image).tag.unwrap_or_default());
        self.moved.insert(tagged, digest);
    }

    /// Nobody has pushed `image` yet: it is missing until somebody does.
    pub(crate) fn await_push(&mut self, image: &str) {
        self.awaited.insert(Reference::parse(image).tagged());
    }

    /// The `image_ref` of a machine that runs `image`.
    pub(crate) fn resolve(&mut self, image: &str) -> Value {
        let reference = Reference::parse(image);
        let digest = reference.digest.clone().unwrap_or_else(|| {
            let tagged = reference.tagged();
            self.moved.get(&tagged).cloned().unwrap_or_else(|| digest_of(&tagged))
        });
        if let Some(tag) = &reference.tag {
            self.tags.entry(digest.clone()).or_insert_with(|| tag.clone());
        }
        let mut answer = json!({"registry": reference.registry, "repository": reference.repository, "digest": digest});
        if let (Some(tag), Some(map)) = (reference.tag, answer.as_object_mut()) {
            map.insert("tag".to_owned(), Value::from(tag));
        }
        answer
    }

    /// How `image` behaves.
    pub(crate) fn behaviour(&self, image: &str) -> Behaviour {
        let reference = Reference::parse(image);
        if self.awaited.contains(&reference.tagged()) {
            return Behaviour::Missing;
        }
        let tag = reference
            .tag
            .as_deref()
            .or_else(|| reference.digest.as_ref().and_then(|digest| self.tags.get(digest)).map(String::as_str))
            .unwrap_or_default();
        WORDS.iter().find(|(word, _)| tag.contains(word)).map_or(Behaviour::Healthy, |(_, behaviour)| *behaviour)
    }

    /// How a machine with this config behaves: like the worst of its images. It ends only if all of them do.
    pub(crate) fn behaviour_of_config(&self, config: &Value) -> Behaviour {
        let all = || running_images(config).map(|image| self.behaviour(image));
        let lasting = all().filter(|behaviour| *behaviour != Behaviour::Finishes).max();
        lasting.or_else(|| all().max()).unwrap_or(Behaviour::Healthy)
    }

    /// How each container of this config behaves.
    pub(crate) fn behaviour_of_containers(&self, config: &Value) -> BTreeMap<String, Behaviour> {
        let text = |container: &Value, key: &str| -> String {
            container.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let containers = containers_of(config).iter();
        containers.map(|one| (text(one, "name"), self.behaviour(&text(one, "image")))).collect()
    }
}

/// The images that a machine config names: its own, then its containers'.
pub(crate) fn images_of(config: &Value) -> impl Iterator<Item = &str> {
    let containers = containers_of(config).iter().filter_map(|container| container.get("image"));
    config.get("image").into_iter().chain(containers).filter_map(Value::as_str)
}

/// The images that run: those of the containers, or without any the machine's own.
fn running_images(config: &Value) -> impl Iterator<Item = &str> {
    let skipped = usize::from(!containers_of(config).is_empty());
    images_of(config).skip(skipped)
}

/// What a tag says about its image, the worst first.
const WORDS: [(&str, Behaviour); 7] = [
    ("missing", Behaviour::Missing),
    ("crash", Behaviour::Crashes),
    ("oom", Behaviour::RunsOutOfMemory),
    ("unhealthy", Behaviour::Unhealthy),
    ("flap", Behaviour::Flaps),
    ("slow", Behaviour::Slow),
    ("oneshot", Behaviour::Finishes),
];

fn digest_of(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}
