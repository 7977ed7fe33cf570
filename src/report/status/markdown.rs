//! Status for a comment or a job summary.

use chrono::{DateTime, Utc};

use super::text::{age, class, short_digest};
use super::{ComponentStatus, Status};
use crate::plan::{Stance, Standing};
use crate::report::RequestCount;
use crate::report::held;
use crate::report::markdown::{address, cell, code, item};
use crate::report::text::moment;

/// All environments as a table, then what keeps any of them from being as desired.
pub fn status_markdown(all: &[Status], now: DateTime<Utc>, requests: RequestCount) -> String {
    let mut blocks = vec!["### Hangar status".to_owned()];
    let mut table = vec![
        "| environment | class | standing | machines | image | age | expires | open |".to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    table.extend(all.iter().map(|status| row(status, now)));
    blocks.push(table.join("\n"));
    for status in all {
        let name = code(status.name.as_str());
        for withheld in &status.withheld {
            let stance = if withheld.stance == Stance::Blocked { "blocked" } else { "waiting" };
            let label = format!("{name} **{stance}** {}:", code(&withheld.reason.to_string()));
            blocks.push(item(&label, &held::message(withheld, now)));
        }
        for notice in &status.notices {
            blocks.push(item(&format!("{name} note:"), &notice.message));
        }
    }
    blocks.push(format!("<sub>{} · {}</sub>", requests.to_line(), now.format("%Y-%m-%d %H:%M UTC")));
    let blocks: Vec<&str> = blocks.iter().map(|block| block.trim_end()).collect();
    format!("{}\n", blocks.join("\n\n"))
}

fn row(status: &Status, now: DateTime<Utc>) -> String {
    let wanted: usize = status.components.iter().map(|component| component.wanted_machines).sum();
    let machines = status.components.iter().flat_map(|component| &component.machines);
    let running = machines.filter(|machine| machine.state == "started").count();
    let cells = [
        cell(&code(status.name.as_str())),
        class(status).to_owned(),
        standing(status).to_owned(),
        if status.orphan { running.to_string() } else { format!("{running}/{wanted}") },
        images(&status.components),
        age(status).unwrap_or_default(),
        status.expires_at.map(|at| moment(at, now)).unwrap_or_default(),
        urls(status),
    ];
    format!("| {} |", cells.join(" | "))
}

const fn standing(status: &Status) -> &'static str {
    match status.standing {
        Standing::Converged if status.orphan => "kept",
        Standing::Converged => "✓ as desired",
        Standing::Changes => "changes",
        Standing::Waiting => "waiting",
        Standing::Blocked => "**blocked**",
    }
}

fn images(components: &[ComponentStatus]) -> String {
    let images = components.iter().flat_map(|component| &component.live_images).map(|image| {
        let digest = image.digest.as_deref().map(|digest| format!(" {}", short_digest(digest))).unwrap_or_default();
        cell(&code(&format!("{}{digest}", image.reference)))
    });
    images.collect::<Vec<_>>().join("<br>")
}

fn urls(status: &Status) -> String {
    let urls = status.components.iter().flat_map(|component| &component.urls);
    let urls = urls.chain(status.objects.iter().flat_map(|object| &object.urls));
    urls.map(|url| address(url)).collect::<Vec<_>>().join("<br>")
}
