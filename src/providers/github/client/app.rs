//! The credentials of a GitHub App: its key signs a token that is good for minutes, for which GitHub gives one that is good for an
//! hour in the repositories of one installation.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// How long a token that the key has signed is good: GitHub takes at most 10 minutes.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(9);
/// How far GitHub's clock may be behind ours, as its documentation advises.
const DRIFT: TimeDelta = TimeDelta::minutes(1);

/// The private key of a GitHub App.
pub struct AppKey(RsaKeyPair);

/// Why a text cannot be the private key of a GitHub App.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppKeyError {
    /// It is no PEM file.
    #[error("it is not a private key in PEM form: take the `.pem` file that GitHub has given you, whole")]
    NotPem,
    /// It is no RSA key.
    #[error("it is not an RSA key: take the `.pem` file that GitHub has given you")]
    NotRsa,
    /// The key cannot sign.
    #[error("the key cannot sign: make a new one in the settings of the App")]
    CannotSign,
}

impl fmt::Debug for AppKey {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey([REDACTED])")
    }
}

impl AppKey {
    /// Reads a PEM file as GitHub makes it (PKCS#1), or one that was converted to PKCS#8.
    pub fn read(pem: &SecretText) -> Result<Self, AppKeyError> {
        let mut lines = pem.expose().lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN "));
        let first = lines.next().ok_or(AppKeyError::NotPem)?;
        let body: Zeroizing<String> = Zeroizing::new(lines.take_while(|line| !line.starts_with("-----END ")).collect());
        let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_error| AppKeyError::NotPem)?);
        let pair = match first {
            "-----BEGIN RSA PRIVATE KEY-----" => RsaKeyPair::from_der(&der),
            "-----BEGIN PRIVATE KEY-----" => RsaKeyPair::from_pkcs8(&der),
            _ => return Err(AppKeyError::NotPem),
        };
        pair.map(Self).map_err(|_rejected| AppKeyError::NotRsa)
    }

    /// A token (JWT, RS256) by which `app` says at `now` who it is.
    pub fn sign(&self, app: u64, now: DateTime<Utc>) -> Result<SecretText, AppKeyError> {
        let at = |moment: Option<DateTime<Utc>>| moment.unwrap_or(now).timestamp();
        let claims = json!({
            "iat": at(now.checked_sub_signed(DRIFT)),
            "exp": at(now.checked_add_signed(GOOD_FOR)),
            "iss": app.to_string(),
        });
        let encoded = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(json!({"alg": "RS256", "typ": "JWT"})), encoded(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_unspecified| AppKeyError::CannotSign)?;
        Ok(SecretText::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
