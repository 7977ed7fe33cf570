use crate::http::Token;
use crate::http::fake::{FakeTransport, answer, connection, with_header};
use crate::http::transport::{Response, TransportError};
use crate::providers::registry::{RegistryError, RegistryReader};
use crate::resource::image::ImageReference;
use crate::secret::SecretText;

const PASSWORD: &str = "planted-password";
const BEARER: &str =
    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:acme/chat:pull""#;

fn robot() -> Token {
    Token::basic("HUB_TOKEN", "robot", &SecretText::new(PASSWORD))
}

fn challenged(by: &str) -> Result<Response, TransportError> {
    with_header(answer(401, r#"{"errors": [{"code": "UNAUTHORIZED"}]}"#), "www-authenticate", by)
}

/// What comes of asking for `image` with these answers, and how it was asked.
async fn has(
    image: &str,
    login: Option<Token>,
    script: Vec<Result<Response, TransportError>>,
) -> (Result<bool, RegistryError>, std::sync::Arc<FakeTransport>) {
    let (fake, connection) = connection(script);
    let found = RegistryReader::new(connection.shared).has(&ImageReference::parse(image), login.as_ref()).await;
    (found, fake)
}

#[tokio::test(start_paused = true)]
async fn what_everybody_may_see_is_asked_as_nobody() {
    for (status, is_there) in [(200, true), (404, false)] {
        let (found, fake) = has("localhost:5000/chat:v1", Some(robot()), vec![answer(status, "")]).await;
        assert_eq!(found.unwrap(), is_there);
        assert_eq!(fake.lines(), ["HEAD http://localhost:5000/v2/chat/manifests/v1"]);
        assert_eq!(fake.header(0, "authorization"), None);
        assert!(fake.header(0, "accept").unwrap().contains("application/vnd.oci.image.index.v1+json"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_where_the_registry_says() {
    let given = r#"{"token": "short-lived", "expires_in": 300}"#;
    let script = || vec![challenged(BEARER), answer(200, given), answer(200, "")];
    let asked = [
        "HEAD https://registry-1.docker.io/v2/acme/chat/manifests/sha256:ab",
        "GET https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Aacme%2Fchat%3Apull",
        "HEAD https://registry-1.docker.io/v2/acme/chat/manifests/sha256:ab",
    ];
    for (login, header) in [(None, None), (Some(robot()), Some("Basic cm9ib3Q6cGxhbnRlZC1wYXNzd29yZA=="))] {
        let (found, fake) = has("acme/chat@sha256:ab", login, script()).await;
        assert!(found.unwrap());
        assert_eq!(fake.lines(), asked);
        let headers: Vec<Option<String>> = (0..3).map(|index| fake.header(index, "authorization")).collect();
        // The password goes to where tokens are given, and nowhere else.
        assert_eq!(headers, [None, header.map(str::to_owned), Some("Bearer short-lived".to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_sent_where_the_registry_wants_it() {
    let script = vec![challenged(r#"Basic realm="registry.fly.io""#), answer(404, "")];
    let (found, fake) = has("registry.fly.io/chat:v1", Some(robot()), script).await;
    assert!(!found.unwrap());
    assert!(fake.header(1, "authorization").unwrap().starts_with("Basic "));
}

#[tokio::test(start_paused = true)]
async fn who_may_not_see_it_learns_nothing() {
    let refused = || answer(401, r#"{"details": "incorrect username or password"}"#);
    let denied = "`docker.io` does not say whether `docker.io/acme/chat:v1` is there, because it refuses to show it (HTTP 401); \
                  name a user who may pull it in `Controller`, under `spec.registries`";
    for script in [
        vec![challenged(BEARER), refused(), challenged(BEARER)],
        vec![challenged(BEARER), answer(200, r#"{"access_token": "t"}"#), challenged(BEARER)],
        vec![challenged(r#"Basic realm="x""#), challenged(r#"Basic realm="x""#)],
    ] {
        let (found, _) = has("acme/chat:v1", None, script).await;
        assert_eq!(found.unwrap_err().to_string(), denied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_goes_nowhere_where_others_can_read_it() {
    for challenge in [
        r#"Bearer realm="http://auth.docker.io/token",service="registry.docker.io""#,
        r#"Bearer realm="auth",service="registry.docker.io""#,
        r#"Bearer service="registry.docker.io""#,
        "Negotiate",
        "",
    ] {
        let (found, fake) = has("acme/chat:v1", Some(robot()), vec![challenged(challenge)]).await;
        let error = found.unwrap_err();
        assert!(matches!(error, RegistryError::Challenge { .. }), "{challenge}: {error}");
        assert_eq!(fake.lines().len(), 1, "{challenge}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_show_no_password() {
    let echo = format!(r#"{{"errors": [{{"message": "bad {PASSWORD}"}}], "token": "{PASSWORD}"}}"#);
    for script in [
        vec![challenged(BEARER), answer(400, &echo)],
        vec![challenged(BEARER), answer(200, &echo), answer(400, &echo)],
        vec![challenged(r#"Basic realm="x""#), answer(400, &echo)],
    ] {
        let (found, _) = has("acme/chat:v1", Some(robot()), script).await;
        let error = found.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error}");
    }
}
