//! Addresses and certificates of an app.

use super::app::AppView;
use super::outputs::ip_path;
use super::parts::Progress;
use super::planner::Planner;
use super::proof::Evidence;
use super::step::Action;
use super::withheld::Reason;
use crate::observed::AppDetail;
use crate::resource::{FieldChange, IpKind, ResourceKey};

impl Planner<'_> {
    pub(super) fn plan_addresses(&mut self, view: &AppView<'_>, progress: &mut Progress<'_>) {
        let (app, recorded) = (view.app, &view.recorded);
        for (kind, request) in &app.ips {
            let key = ResourceKey::Ip { app: app.name.clone(), ip: *kind };
            if view.ips.iter().any(|ip| ip.kind == Some(*kind)) {
                continue;
            }
            if let Err(obstacle) = self.may_create(&key, view.born_here) {
                self.withhold(&view.place, &key, &format!("allocate {kind}"), obstacle);
                continue;
            }
            let reason = if recorded.ips.contains(kind) { "it is gone" } else { "the spec asks for it" };
            let after: Vec<_> = view.creation.into_iter().collect();
            let mut request = request.clone();
            if *kind == IpKind::PrivateV6 && request.network.is_none() && request.org.is_none() {
                // Flycast without a stated network is for the apps of its own environment.
                request.network = self.network_of(view.env).ok().flatten();
            }
            let step = self.step(&view.place, key, Action::AllocateIp(request), reason, Vec::new(), &after);
            progress.producers.insert(ip_path(app.component.as_str(), *kind), step);
        }
        for kind in recorded.ips.iter().filter(|kind| !app.ips.contains_key(kind)) {
            let Some(ip) = view.ips.iter().find(|ip| ip.kind == Some(*kind)) else {
                continue;
            };
            let key = ResourceKey::Ip { app: app.name.clone(), ip: *kind };
            match self.prove(&key, Evidence::NotWanted, view.created_by_us, view.another_writer.as_deref()) {
                Ok(proof) => {
                    let action = Action::ReleaseIp { address: ip.address.clone(), proof };
                    let change = FieldChange::plain("address", Some(ip.address.as_str().into()), None);
                    self.step(&view.place, key, action, "the spec no longer asks for it", vec![change], &[]);
                }
                Err(obstacle) => self.withhold(&view.place, &key, &format!("release {kind}"), obstacle),
            }
        }
    }

    pub(super) fn plan_certificates(&mut self, view: &AppView<'_>, detail: &AppDetail) {
        let (app, recorded) = (view.app, &view.recorded);
        if app.certificates.is_empty() && recorded.certificates.is_empty() {
            return;
        }
        let none = Vec::new();
        let listed = match (view.creation, detail.certificates.known()) {
            (Some(_), _) => &none,
            (None, Some(listed)) => listed,
            (None, None) => {
                let message = format!("the certificates of `{}` were not read", app.name);
                self.wait(&view.env.name, Some(&app.component), None, Reason::ObservationIncomplete, message, None);
                return;
            }
        };
        for hostname in &app.certificates {
            let key = ResourceKey::Certificate { app: app.name.clone(), hostname: hostname.clone() };
            match listed.iter().find(|certificate| certificate.hostname == *hostname) {
                Some(certificate) if certificate.configured => {}
                Some(certificate) => {
                    let message = format!(
                        "the certificate for `{hostname}` is {}: point its DNS at `{}.fly.dev`",
                        certificate.status, app.name
                    );
                    self.notice(&view.env.name, Some(&app.component), Reason::InTransition, message);
                }
                None => match self.may_create(&key, view.born_here) {
                    Ok(()) => {
                        let after: Vec<_> = view.creation.into_iter().collect();
                        let reason = "the spec asks for it";
                        self.step(&view.place, key, Action::AddCertificate, reason, Vec::new(), &after);
                    }
                    Err(obstacle) => {
                        self.withhold(&view.place, &key, &format!("add a certificate for `{hostname}`"), obstacle);
                    }
                },
            }
        }
        for hostname in recorded.certificates.difference(&app.certificates) {
            if !listed.iter().any(|certificate| certificate.hostname == *hostname) {
                continue;
            }
            let key = ResourceKey::Certificate { app: app.name.clone(), hostname: hostname.clone() };
            match self.prove(&key, Evidence::NotWanted, view.created_by_us, view.another_writer.as_deref()) {
                Ok(proof) => {
                    let action = Action::RemoveCertificate { proof };
                    self.step(&view.place, key, action, "the spec no longer asks for it", Vec::new(), &[]);
                }
                Err(obstacle) => {
                    self.withhold(&view.place, &key, &format!("remove the certificate for `{hostname}`"), obstacle);
                }
            }
        }
    }
}
