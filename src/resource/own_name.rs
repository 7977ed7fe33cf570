//! Names that say whose something is, for what its provider keeps nothing else about: no labels, no annotations.

use sha2::Digest as _;

use super::{ComponentName, EnvName, ObjectMarker, OwnerId};

/// How many characters of the digest a name ends with: two names meet by chance once in a million millions.
const DIGEST: usize = 10;

/// The name of what is `component` of `env` at the place `within`, for example `chat-pr-4-db-1c9a0f73be`. It is ours wherever its last
/// word fits the others and the place, so a copy somewhere else is not.
pub fn own_name(owner: &OwnerId, env: &str, component: &str, within: &str) -> String {
    format!("{env}-{component}-{}", digest(owner, env, component, within))
}

/// Whose `name` says that it is: the environment and the component (without its section), if `owner` has made the name.
pub fn read(owner: &OwnerId, name: &str, within: &str) -> Option<(String, String)> {
    let (words, last) = name.rsplit_once('-')?;
    let splits =
        words.match_indices('-').filter_map(|(at, _)| Some((words.get(..at)?, words.get(at.checked_add(1)?..)?)));
    let found = splits.into_iter().find(|(env, component)| digest(owner, env, component, within) == last);
    found.map(|(env, component)| (env.to_owned(), component.to_owned()))
}

/// The last word of a name that [`own_name`] has made.
pub fn last_word(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(_, last)| last)
}

/// The marker that `name` stands for, of a component of `section`.
pub fn marker(owner: &OwnerId, section: &str, name: &str, within: &str) -> Option<ObjectMarker> {
    let (env, component) = read(owner, name, within)?;
    Some(ObjectMarker {
        owner: owner.clone(),
        env: EnvName::new(env),
        component: ComponentName::new(format!("{section}.{component}")),
        name: name.to_owned(),
        set: None,
    })
}

fn digest(owner: &OwnerId, env: &str, component: &str, within: &str) -> String {
    let text = format!("hangar\n{owner}\n{env}\n{component}\n{within}");
    let mut hex = hex::encode(sha2::Sha256::digest(text));
    hex.truncate(DIGEST);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_made_and_no_other_is() {
        let owner = OwnerId::new("acme");
        let name = own_name(&owner, "chat-pr-4", "main-db", "previews");
        assert_eq!(read(&owner, &name, "previews"), Some(("chat-pr-4".to_owned(), "main-db".to_owned())));
        assert_eq!(marker(&owner, "postgres", &name, "previews").unwrap().component.as_str(), "postgres.main-db");
        assert_eq!(read(&OwnerId::new("other"), &name, "previews"), None);
        assert_eq!(read(&owner, &name, "copy-of-previews"), None);
        for copy in [format!("{name}-fork"), format!("x{name}"), "chat-pr-4-main-db".to_owned(), String::new()] {
            assert_eq!(read(&owner, &copy, "previews"), None, "{copy}");
        }
    }
}
