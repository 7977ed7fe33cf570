//! The size of a machine.

use serde_json::{Value, json};

use super::wire::{object, renamed};
use crate::spec::group::ProcessGroup;
use crate::spec::preset::{memory_limits_mb, preset};

/// Preset of a machine that names a processor, memory or graphics processor but no preset (flyctl's own defaults).
const DEFAULT_SIZE: &str = "shared-cpu-1x";
const DEFAULT_GPU_SIZE: &str = "performance-8x";

/// The guest of a group's machines; nothing where the group says nothing about it, so that it stays as it is.
pub(super) fn guest(group: &ProcessGroup) -> Option<Value> {
    let named = group.size.is_some() || group.cpu.is_some() || group.memory.is_some() || group.gpu.is_some();
    let host = group.host_dedication_id.as_ref().map(|host| json!(host));
    let kernel_args = group.kernel_args.as_ref().map(|arguments| json!(arguments));
    if !named {
        let guest = object([("host_dedication_id", host), ("kernel_args", kernel_args)]);
        return Some(guest).filter(|guest| *guest != json!({}));
    }
    let fallback = if group.gpu.is_some() { DEFAULT_GPU_SIZE } else { DEFAULT_SIZE };
    let base = preset(group.size.as_deref().unwrap_or(fallback)).or_else(|| preset(DEFAULT_SIZE))?;
    let cpu = group.cpu.as_ref();
    let kind = cpu.and_then(|cpu| cpu.kind).unwrap_or(base.cpu_kind);
    let cpus = cpu.and_then(|cpu| cpu.count).unwrap_or(base.cpus);
    let (least, _) = memory_limits_mb(kind, cpus);
    // More processors than the preset has need more memory than it has.
    let memory = group.memory.map_or_else(|| base.memory_mb.max(least), crate::spec::Size::mb);
    let gpu_kind = group.gpu.as_ref().map(|gpu| gpu.kind.as_str()).or(base.gpu_kind);
    let gpus = gpu_kind.map(|_| group.gpu.as_ref().and_then(|gpu| gpu.count).unwrap_or(1));
    Some(object([
        ("cpu_kind", Some(renamed(&kind))),
        ("cpus", Some(json!(cpus))),
        ("memory_mb", Some(json!(memory))),
        ("gpu_kind", gpu_kind.map(Value::from)),
        ("gpus", gpus.map(Value::from)),
        ("host_dedication_id", host),
        ("kernel_args", kernel_args),
    ]))
}
