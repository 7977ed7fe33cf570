//! Rules of a process group: how many machines, how large, where.

use crate::spec::finding::{Finding, did_you_mean};
use crate::spec::group::{CpuKind, ProcessGroup};
use crate::spec::positions::child;
use crate::spec::preset::{self, memory_limits_mb};

use super::app::Scope;
use super::environment::final_text;
use super::names;

/// Most machines of one group in one region; more is taken for a typing error.
const MAX_COUNT: u32 = 1000;
/// Fly counts memory in steps of this many MB.
const MEMORY_STEP_MB: u64 = 256;

pub(super) fn check(pointer: &str, group: &ProcessGroup, scope: Scope, findings: &mut Vec<Finding>) {
    if group.count.is_some_and(|count| count > MAX_COUNT) {
        findings.push(Finding::error(format!("{pointer}/count"), format!("more than {MAX_COUNT} machines per region")));
    }
    check_regions(pointer, group, findings);
    check_size(pointer, group, scope, findings);
    if let Some(swap) = group.swap
        && swap.mb() == 0
    {
        findings.push(Finding::error(format!("{pointer}/swap"), "swap of no size").help("leave `swap` out for none"));
    }
    for (field, list) in [("command", &group.command), ("entrypoint", &group.entrypoint), ("exec", &group.exec)] {
        if list.as_ref().is_some_and(|list| list.as_slice().is_empty()) {
            let finding = Finding::error(child(pointer, field), format!("`{field}` is empty"));
            findings.push(finding.help("leave it out to use the image's"));
        }
    }
    if group.exec.is_some() && (group.command.is_some() || group.entrypoint.is_some()) {
        let finding = Finding::error(format!("{pointer}/exec"), "`exec` replaces `command` and `entrypoint`").at_key();
        findings.push(finding.help("keep `exec`, or the other two"));
    }
}

/// Names of the fields that are set, as they are in YAML.
pub(super) fn given_fields(group: &ProcessGroup) -> Vec<&'static str> {
    let fields = [
        ("count", group.count.is_some()),
        ("regions", group.regions.is_some()),
        ("size", group.size.is_some()),
        ("cpu", group.cpu.is_some()),
        ("memory", group.memory.is_some()),
        ("gpu", group.gpu.is_some()),
        ("hostDedicationId", group.host_dedication_id.is_some()),
        ("kernelArgs", group.kernel_args.is_some()),
        ("command", group.command.is_some()),
        ("entrypoint", group.entrypoint.is_some()),
        ("exec", group.exec.is_some()),
        ("tty", group.tty.is_some()),
        ("swap", group.swap.is_some()),
    ];
    fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
}

fn check_regions(pointer: &str, group: &ProcessGroup, findings: &mut Vec<Finding>) {
    let Some(regions) = &group.regions else { return };
    if regions.is_empty() {
        let finding = Finding::error(format!("{pointer}/regions"), "`regions` is empty");
        findings.push(finding.help("leave it out for the primary region; `count: 0` for no machines"));
    }
    for (index, region) in regions.iter().enumerate() {
        let pointer = format!("{pointer}/regions/{index}");
        if let Some(problem) = final_text(region).and_then(names::region) {
            findings.push(Finding::error(pointer, format!("`{region}` {problem}")));
        } else if regions.iter().take(index).any(|earlier| earlier == region) {
            findings.push(
                Finding::error(pointer, format!("the region `{region}` stands twice"))
                    .help("raise `count` for more machines"),
            );
        }
    }
}

fn check_size(pointer: &str, group: &ProcessGroup, scope: Scope, findings: &mut Vec<Finding>) {
    if group.size.is_none() && scope == Scope::Overlay {
        return; // The size that `cpu` and `memory` refine is in the base.
    }
    let name = group.size.as_deref().unwrap_or("shared-cpu-1x");
    if names::has_expression(name) {
        return;
    }
    let Some(preset) = preset::preset(name) else {
        let finding = Finding::error(format!("{pointer}/size"), format!("the size `{name}` is unknown"));
        let help = did_you_mean(name, preset::size_names())
            .unwrap_or_else(|| format!("known are {}", preset::size_names().join(", ")));
        findings.push(finding.help(help));
        return;
    };
    let kind = group.cpu.as_ref().and_then(|cpu| cpu.kind).unwrap_or(preset.cpu_kind);
    let cpus = group.cpu.as_ref().and_then(|cpu| cpu.count).unwrap_or(preset.cpus);
    let known = preset::PRESETS.iter().filter(|preset| preset.cpu_kind == kind).map(|preset| preset.cpus);
    let known: std::collections::BTreeSet<u32> = known.collect();
    let processors = [format!("{pointer}/size"), format!("{pointer}/cpu")];
    if !known.contains(&cpus) {
        let list = known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let finding =
            Finding::error(format!("{pointer}/cpu/count"), format!("Fly has no machines with {cpus} such processors"));
        findings.push(finding.help(format!("possible are {list}")).relies_on(processors));
        return;
    }
    let Some(memory) = group.memory else { return };
    let pointer = format!("{pointer}/memory");
    let (least, most) = memory_limits_mb(kind, cpus);
    let graphics = preset.gpu_kind.is_some() || group.gpu.is_some();
    if !memory.mb().is_multiple_of(MEMORY_STEP_MB) {
        let below = memory.mb() / MEMORY_STEP_MB * MEMORY_STEP_MB;
        let finding = Finding::error(pointer, format!("`{memory}` is not a multiple of {MEMORY_STEP_MB} MB"));
        findings.push(finding.help(format!("write `{}MB` or `{}MB`", below.max(least), below + MEMORY_STEP_MB)));
    } else if memory.mb() < least || (memory.mb() > most && !graphics) {
        let kind = match kind {
            CpuKind::Shared => "shared",
            CpuKind::Performance => "performance",
        };
        let finding = Finding::error(pointer, format!("`{memory}` does not fit {cpus} {kind} processors"));
        let help = format!("they allow {least}MB to {most}MB; choose another `size`, or add processors");
        findings.push(finding.help(help).relies_on(processors));
    }
}
