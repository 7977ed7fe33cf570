//! Asks registries for images that nothing of ours runs yet, less and less often while one is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::load::Loaded;
use super::variables::Variables;
use crate::desired::Wanted;
use crate::http::{Shared, Token};
use crate::observed::{ImageAnswer, Images, Observed};
use crate::plan::images_to_look_for;
use crate::providers::registry::RegistryReader;
use crate::resource::image::ImageReference;
use crate::resource::{EnvName, OrgSlug};
use crate::spec::controller::CredentialSource;

/// Fly's own registry, which takes a Fly token as the password of this user.
const FLY: (&str, &str) = ("registry.fly.io", "x");
/// How soon an image that was missing is asked for again; each further time it takes twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause. Builds take minutes, and who has pushed an image does not want to wait longer.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// How long it is remembered that an image was missing, after it was to be asked for again.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(1);

/// When registries are asked again for what they did not have. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Registries(Arc<Mutex<BTreeMap<String, Pause>>>);

/// A pause before an image is asked for again.
#[derive(Debug, Clone, Copy)]
struct Pause {
    length: Duration,
    ends: DateTime<Utc>,
}

/// Who asks which registry.
#[derive(Debug, Clone, Default)]
pub(super) struct Logins {
    by_host: BTreeMap<String, Token>,
    fly: BTreeMap<OrgSlug, Token>,
}

impl Logins {
    /// The logins that the settings name, with the values of these surroundings. One that cannot be read is told and left out.
    pub(super) fn read(loaded: &Loaded, orgs: &BTreeSet<OrgSlug>, variables: &dyn Variables) -> Self {
        let mut logins = Self::default();
        for (host, login) in loaded.settings.iter().flat_map(|settings| &settings.registries) {
            let (label, password) = match &login.password {
                CredentialSource::FromFile(path) => (path, variables.file(path)),
                CredentialSource::FromEnv(name) => {
                    (name, variables.variable(name).ok_or_else(|| format!("`{name}` is not set")))
                }
            };
            match password {
                Ok(password) => {
                    let token = Token::basic(label, &login.username, &password);
                    logins.by_host.insert(host.clone(), token);
                }
                Err(problem) => tracing::warn!(host, problem, "the registry is asked as nobody in particular"),
            }
        }
        let tokens = orgs.iter().filter_map(|org| Some((org.clone(), loaded.token(org, variables).ok()?)));
        logins.fly = tokens.map(|(org, token)| (org, token.as_password_of(FLY.1))).collect();
        logins
    }

    fn of(&self, host: &str, org: &OrgSlug) -> Option<&Token> {
        let own = self.by_host.get(host);
        if host == FLY.0 { own.or_else(|| self.fly.get(org)) } else { own }
    }
}

impl Registries {
    /// Adds to `observed` what registries say of the images that the previews among `environments` need and do not run. An image of
    /// which its registry does not say anything is left out: then it is Fly that finds out.
    pub(super) async fn look(
        &self,
        observed: &mut Observed,
        loaded: &Loaded,
        environments: &BTreeSet<EnvName>,
        logins: &Logins,
        shared: &Shared,
    ) {
        let mut needed: BTreeMap<String, &OrgSlug> = BTreeMap::new();
        for env in environments {
            if let Some(Wanted::Ready(env)) = loaded.fleet.environments.get(env) {
                let images = images_to_look_for(env, observed);
                needed.extend(images.into_iter().filter_map(|image| Some((image, env.org.as_ref()?))));
            }
        }
        let asked = needed.into_iter().map(|(image, org)| async move {
            let reference = ImageReference::parse(&image);
            let login = logins.of(RegistryReader::host(&reference), org);
            let answer = self.ask(&image, &reference, login, shared).await?;
            Some((image, answer))
        });
        let answers: Images = futures::future::join_all(asked).await.into_iter().flatten().collect();
        observed.images.extend(answers);
    }

    async fn ask(
        &self,
        image: &str,
        reference: &ImageReference,
        login: Option<&Token>,
        shared: &Shared,
    ) -> Option<ImageAnswer> {
        let pause = self.lock().get(image).copied();
        if let Some(Pause { ends, .. }) = pause.filter(|pause| shared.clock.now() < pause.ends) {
            return Some(ImageAnswer::Missing { ask_again: ends });
        }
        match RegistryReader::new(shared.clone()).has(reference, login).await {
            Ok(true) => {
                self.lock().remove(image);
                Some(ImageAnswer::Here)
            }
            Ok(false) => {
                let length = pause.map_or(FIRST_PAUSE, |pause| pause.length.saturating_mul(2)).min(LONGEST_PAUSE);
                Some(ImageAnswer::Missing { ask_again: self.pause(image, length, shared.clock.now()) })
            }
            Err(error) => {
                tracing::warn!(image, %error, "whether the image is there is not known; Fly will find out");
                None
            }
        }
    }

    /// Notes that `image` is asked for again when `length` has passed, and returns when that is.
    fn pause(&self, image: &str, length: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
        let ends = TimeDelta::from_std(length).ok().and_then(|length| now.checked_add_signed(length));
        let ends = ends.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut pauses = self.lock();
        pauses.retain(|_, pause| now.signed_duration_since(pause.ends) < FORGOTTEN_AFTER);
        pauses.insert(image.to_owned(), Pause { length, ends });
        ends
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
