//! Fly's presets of processors and memory.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::group::CpuKind;

/// A named combination of processors, memory and graphics processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name, for example `shared-cpu-1x`.
    pub name: &'static str,
    /// Kind of its processors.
    pub cpu_kind: CpuKind,
    /// Number of its processors.
    pub cpus: u32,
    /// Its memory in MB.
    pub memory_mb: u64,
    /// Model of its graphics processor.
    pub gpu_kind: Option<&'static str>,
}

/// Fly's presets: each has the least memory that its processors allow, and those with a graphics processor what Fly documents.
pub const PRESETS: [Preset; 18] = [
    shared("shared-cpu-1x", 1),
    shared("shared-cpu-2x", 2),
    shared("shared-cpu-4x", 4),
    shared("shared-cpu-6x", 6),
    shared("shared-cpu-8x", 8),
    performance("performance-1x", 1),
    performance("performance-2x", 2),
    performance("performance-4x", 4),
    performance("performance-6x", 6),
    performance("performance-8x", 8),
    performance("performance-10x", 10),
    performance("performance-12x", 12),
    performance("performance-14x", 14),
    performance("performance-16x", 16),
    graphics("a10", "a10"),
    graphics("l40s", "l40s"),
    graphics("a100-40gb", "a100-pcie-40gb"),
    graphics("a100-80gb", "a100-sxm4-80gb"),
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The names of all presets.
pub fn size_names() -> Vec<&'static str> {
    PRESETS.iter().map(|preset| preset.name).collect()
}

/// The schema of a size: a preset's name, or a string with an expression.
pub(super) fn size_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{"enum": size_names()}, {"type": "string", "pattern": r"\$\{\{"}, {"type": "null"}],
        "examples": ["shared-cpu-1x"]
    })
}

/// Least and most memory in MB that a machine with these processors may have (Machines API: 256 to 2048 MB per shared processor,
/// 2048 to 8192 MB per performance processor).
pub fn memory_limits_mb(kind: CpuKind, cpus: u32) -> (u64, u64) {
    let (least, most) = match kind {
        CpuKind::Shared => (256, 2048),
        CpuKind::Performance => (2048, 8192),
    };
    (least * u64::from(cpus), most * u64::from(cpus))
}

const fn shared(name: &'static str, cpus: u32) -> Preset {
    Preset { name, cpu_kind: CpuKind::Shared, cpus, memory_mb: 256 * widen(cpus), gpu_kind: None }
}

const fn performance(name: &'static str, cpus: u32) -> Preset {
    Preset { name, cpu_kind: CpuKind::Performance, cpus, memory_mb: 2048 * widen(cpus), gpu_kind: None }
}

const fn graphics(name: &'static str, gpu: &'static str) -> Preset {
    Preset { name, cpu_kind: CpuKind::Performance, cpus: 8, memory_mb: 32_768, gpu_kind: Some(gpu) }
}

#[expect(clippy::as_conversions, reason = "`u64::from` is not const; u32 to u64 loses nothing")]
const fn widen(cpus: u32) -> u64 {
    cpus as u64
}
