//! All apps: by name, and by organization, so that no listing has to look at everybody's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::app::App;

/// All apps of all organizations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Apps {
    by_name: BTreeMap<String, App>,
    /// Organization and name of each app.
    by_org: BTreeSet<(String, String)>,
    /// What may have changed since [`Self::take_touched`]: organization and name.
    touched: BTreeSet<(String, String)>,
}

impl Apps {
    pub(crate) fn get(&self, name: &str) -> Option<&App> {
        self.by_name.get(name)
    }

    /// The app, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut App> {
        let app = self.by_name.get_mut(name)?;
        self.touched.insert((app.org.clone(), app.name.clone()));
        Some(app)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// All apps, in order of their names.
    pub(crate) fn values(&self) -> impl Iterator<Item = &App> {
        self.by_name.values()
    }

    /// The apps of an organization, in order of their names, from the name `from` on.
    pub(crate) fn of_org<'a>(&'a self, org: &'a str, from: &str) -> impl Iterator<Item = &'a App> + use<'a> {
        self.by_org
            .range((Bound::Included((org.to_owned(), from.to_owned())), Bound::Unbounded))
            .take_while(move |(of, _)| of == org)
            .filter_map(|(_, name)| self.by_name.get(name))
    }

    pub(crate) fn insert(&mut self, app: App) {
        let key = (app.org.clone(), app.name.clone());
        self.by_org.insert(key.clone());
        self.touched.insert(key);
        self.by_name.insert(app.name.clone(), app);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<App> {
        let app = self.by_name.remove(name)?;
        let key = (app.org.clone(), app.name.clone());
        self.by_org.remove(&key);
        self.touched.insert(key);
        Some(app)
    }

    /// Organization and name of the apps that may have changed (or gone) since the last call.
    pub(super) fn take_touched(&mut self) -> BTreeSet<(String, String)> {
        std::mem::take(&mut self.touched)
    }
}

impl Serialize for Apps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Apps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_name = BTreeMap::<String, App>::deserialize(deserializer)?;
        let by_org = by_name.values().map(|app| (app.org.clone(), app.name.clone())).collect();
        Ok(Self { by_name, by_org, touched: BTreeSet::new() })
    }
}
