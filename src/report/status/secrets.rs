//! Whether a secret is live, staged, missing or changed by someone else, by what Fly lists and what our machines have recorded.

use super::{SecretState, SecretStatus};
use crate::desired::App;
use crate::observed::{AppDetail, Secret};
use crate::resource::marker::MachineMarker;
use crate::resource::secret_record::{RecordedSecret, short_digest};

/// The secrets that the spec of `app` asks for, with where each stands. `markers` are those of its live machines.
pub(super) fn states(app: &App, detail: Option<&AppDetail>, markers: &[&MachineMarker]) -> Vec<SecretStatus> {
    let listed = detail.and_then(|detail| detail.secrets.known());
    app.secrets
        .keys()
        .map(|name| {
            let state = match listed {
                None => SecretState::Unknown,
                Some(listed) => state(name, listed, markers),
            };
            SecretStatus { name: name.clone(), state }
        })
        .collect()
}

fn state(name: &str, listed: &[Secret], markers: &[&MachineMarker]) -> SecretState {
    let Some(live) = listed.iter().find(|secret| secret.name == name) else {
        return SecretState::Unset;
    };
    // The newest marker knows what was written last.
    let newest = markers.iter().max_by_key(|marker| marker.writer.as_ref().map(|writer| writer.at));
    let record = |marker: &MachineMarker| -> Option<RecordedSecret> { marker.secrets.0.get(name).cloned() };
    let Some(last) = newest.and_then(|marker| record(marker)) else {
        return SecretState::Staged;
    };
    if last.digest != short_digest(&live.digest) {
        return SecretState::ChangedOutside;
    }
    if markers.iter().all(|marker| record(marker).as_ref() == Some(&last)) {
        SecretState::Live
    } else {
        SecretState::Staged
    }
}
