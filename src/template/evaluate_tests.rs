use super::*;
use crate::template::did_you_mean;

struct Known;

impl Scope for Known {
    fn look_up(&mut self, path: &Path, _destination: Destination) -> Result<Lookup, TemplateErrorKind> {
        let unknown = || TemplateErrorKind::UnknownPath {
            path: path.to_string(),
            reason: None,
            suggestion: did_you_mean(&path.to_string(), ["env.name", "fly.a.url"]),
            known: vec![],
        };
        Ok(match path.as_words().as_slice() {
            ["env", "name"] => Lookup::Known("Feature/Ünique Login--Page".to_owned()),
            ["params", "empty"] => Lookup::Known(String::new()),
            ["params", "inject"] => Lookup::Known("${{ fly.a.secrets.S }}".to_owned()),
            ["params", _] => Lookup::Missing(unknown()),
            ["fly", "a", "ips", "v6"] => Lookup::Output("fly.a.ips.v6".to_owned()),
            ["fly", "a", "secrets", "S"] => Lookup::Secret("p@ss".into()),
            ["fly", "a", "secrets", "GONE"] => Lookup::Unavailable("`GONE` is not set".to_owned()),
            _ => return Err(unknown()),
        })
    }
}

fn plain(text: &str) -> Result<String, String> {
    match evaluate(text, Destination::Plain, &mut Known) {
        Ok(Text::Plain(text)) => Ok(text),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(format!("{:?} {error}", error.span)),
    }
}

#[test]
fn filters_do_what_they_say() {
    for (text, expected) in [
        ("${{ env.name | slug }}", "feature-nique-login-page"),
        ("${{ env.name | lower }}", "feature/ünique login--page"),
        ("${{ env.name | upper }}", "FEATURE/ÜNIQUE LOGIN--PAGE"),
        ("${{ env.name | slug | truncate(16) }}", "feature-c6f07545"),
        ("${{ env.name | slug | truncate(24) }}", "feature-nique-login-page"),
        ("${{ params.empty | default('x') }}", "x"),
        ("${{ params.absent | default('x') | upper }}", "X"),
        ("${{ env.name | sha256(6) }}", "334dcb"),
        ("${{ env.name | replace('/', '-') | replace(' ', '') }}", "Feature-ÜniqueLogin--Page"),
        ("${{ env.name | urlencode }}", "Feature%2F%C3%9Cnique%20Login--Page"),
        ("${{ env.name | json }}", "\"Feature/Ünique Login--Page\""),
        ("${{ params.empty | default('ab') | base64 }}", "YWI="),
        ("${{ params.empty | default('  a ') | trim }}!", "a!"),
    ] {
        assert_eq!(plain(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_value_that_looks_like_an_expression_is_not_evaluated_again() {
    assert_eq!(plain("${{ params.inject }}").as_deref(), Ok("${{ fly.a.secrets.S }}"));
}

#[test]
fn an_output_becomes_a_placeholder_that_no_filter_may_touch() {
    assert_eq!(plain("http://[${{ fly.a.ips.v6 }}]"), Ok(format!("http://[{}]", output::placeholder("fly.a.ips.v6"))));
    assert_eq!(
        plain("${{ fly.a.ips.v6 | upper }}").unwrap_err(),
        "19..24 `fly.a.ips.v6` is known only after its resource is created, so `upper` cannot be applied to it"
    );
}

#[test]
fn mistakes_are_errors_with_their_place() {
    for (text, expected) in [
        ("${{ env.nam }}", "4..11 `env.nam` is not known"),
        ("${{ params.absent }}", "4..17 `params.absent` is not known"),
        ("${{ params.absent | upper }}", "4..17 `params.absent` is not known"),
        ("${{ env.name | uper }}", "15..19 there is no filter `uper`"),
        ("${{ env.name | truncate }}", "15..23 wrong arguments for `truncate`: write `truncate(n), n at least 10`"),
        ("${{ env.name | truncate(3) }}", "15..26 wrong arguments for `truncate`: write `truncate(n), n at least 10`"),
        (
            "${{ params.empty | slug }}",
            "19..23 `slug` cannot be applied: the value has no letter or digit of a-z and 0-9",
        ),
        ("${{ fly.a.secrets.S }}", "4..19 `fly.a.secrets.S` is a secret and may not be used here"),
        ("${{ fly.a.secrets.GONE }}", "4..22 `fly.a.secrets.GONE` is a secret and may not be used here"),
        ("${{ fly.a.secrets.S | sha256 }}", "4..19 `fly.a.secrets.S` is a secret and may not be used here"),
    ] {
        assert_eq!(plain(text).unwrap_err(), expected, "{text}");
    }
    let error = evaluate("${{ env.nam }}", Destination::Plain, &mut Known).unwrap_err();
    assert_eq!(error.help().as_deref(), Some("did you mean `env.name`?"));
}

#[test]
fn a_secret_taints_the_whole_text_and_filters_keep_the_taint() {
    let text = "postgres://u:${{ fly.a.secrets.S | urlencode }}@[${{ fly.a.ips.v6 }}]/db";
    match evaluate(text, Destination::Secret, &mut Known).unwrap() {
        Text::Secret(secret) => {
            assert_eq!(secret.expose(), format!("postgres://u:p%40ss@[{}]/db", output::placeholder("fly.a.ips.v6")));
        }
        other => panic!("{other:?}"),
    }
    let unavailable = evaluate("a${{ fly.a.secrets.GONE | upper }}", Destination::Secret, &mut Known).unwrap();
    assert!(matches!(unavailable, Text::Unavailable(reason) if reason == "`GONE` is not set"));
    assert!(evaluate("${{ fly.a.secrets.GONE | uper }}", Destination::Secret, &mut Known).is_err());
}

#[test]
fn growth_is_bounded() {
    let grow = " | replace('x', 'xxxxxxxxxxxxxxxxxxxx')".repeat(10);
    assert!(plain(&format!("${{{{ params.a | default('x'){grow} }}}}")).is_err());
}

proptest::proptest! {
    #[test]
    fn a_shortened_text_fits_and_stays_the_same(text in "[a-z-]{0,200}", length in 10_usize..64) {
        let short = crate::template::shorten(&text, length);
        assert!(short.len() <= length);
        assert_eq!(crate::template::shorten(&text, length), short);
        assert_eq!(crate::template::shorten(&short, length), short);
    }
}
