//! Images that do not exist yet: a preview of a commit is often wanted before its image is built.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::Value;

use super::planner::Planner;
use super::withheld::{Reason, Stance, Withheld};
use crate::desired::{App, Environment};
use crate::observed::{ImageAnswer, Observed};
use crate::resource::image::ImageReference;
use crate::resource::output;

/// The images of a preview that none of its live machines runs, written out: whether they are there, only their registries know.
pub fn images_to_look_for(env: &Environment, observed: &Observed) -> BTreeSet<String> {
    if env.preview.is_none() {
        return BTreeSet::new();
    }
    env.apps.iter().flat_map(|app| images_to_look_for_in(env, app, observed)).collect()
}

fn images_to_look_for_in(env: &Environment, app: &App, observed: &Observed) -> Vec<String> {
    let live = observed.detail(env.org.as_ref(), &app.name).and_then(|detail| detail.machines.known());
    let live: Vec<(ImageReference, Option<&str>)> = live
        .into_iter()
        .flatten()
        .filter(|machine| machine.is_live())
        .flat_map(|machine| {
            let digest = machine.image_digest.as_deref();
            let config = machine.config.as_ref();
            config.into_iter().flat_map(images_in).map(move |image| (ImageReference::parse(image), digest))
        })
        .collect();
    let machines = app.machines.iter().chain(app.jobs.iter().map(|job| &job.machine));
    let wanted = machines.flat_map(|machine| images_in(&machine.config));
    wanted
        .filter(|image| output::waits_for(image).is_empty())
        .map(ImageReference::parse)
        .filter(|wanted| !live.iter().any(|(live, digest)| wanted.is_satisfied_by(live, *digest)))
        .map(|wanted| wanted.to_string())
        .collect()
}

/// The images that a machine's configuration names.
fn images_in(config: &Value) -> impl Iterator<Item = &str> {
    let containers = config.get("containers").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(config).chain(containers).filter_map(|part| part.get("image")?.as_str())
}

impl Planner<'_> {
    /// Whether a preview has to wait because its registry does not have an image of it, which is then said. As a whole: half of a
    /// commit is no preview of it.
    pub(super) fn waits_for_image(&mut self, env: &Environment) -> bool {
        let Some(preview) = &env.preview else { return false };
        let mut waits = false;
        for image in images_to_look_for(env, self.observed) {
            let Some(ImageAnswer::Missing { ask_again }) = self.observed.images.get(&image).copied() else { continue };
            waits = true;
            let since = self.memory.missing_images.get(&image).copied().unwrap_or(self.now);
            let deadline = TimeDelta::from_std(preview.image_deadline).ok();
            let until = deadline.and_then(|deadline| since.checked_add_signed(deadline));
            let (stance, reason, message) = match until {
                Some(until) if until <= self.now => {
                    let of = preview.sha.as_ref().map(|sha| format!(" of commit {sha}")).unwrap_or_default();
                    let message = format!(
                        "image `{image}` is not in its registry after {}: see whether the build{of} has pushed it under this name",
                        humantime::format_duration(preview.image_deadline)
                    );
                    (Stance::Blocked, Reason::ImageMissing, message)
                }
                until => {
                    let until = until.map(|until| format!(", until {}", until.format("%Y-%m-%d %H:%M UTC")));
                    let message = format!("waits for image `{image}`{}", until.unwrap_or_default());
                    (Stance::Waiting, Reason::ImagePending, message)
                }
            };
            self.plan.withheld.push(Withheld {
                env: env.name.clone(),
                component: None,
                key: None,
                stance,
                reason,
                message,
                until: Some(ask_again),
                change: None,
            });
        }
        waits
    }
}
