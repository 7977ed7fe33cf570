//! What things cost a month at Fly's list prices, as an estimate.
//!
//! The prices are those of Fly's cheapest regions, as its page of prices had them in August 2025 ("Resource Pricing"); others cost up to
//! about a third more. A machine counts as if it ran all the time, which is the most that it can cost. Traffic, snapshots, GPUs and the root file
//! systems of stopped machines are not in it, nor is what other providers ask for: what of it goes by a price that is not known here is named.

use std::fmt;

use serde_json::Value;

use crate::desired::Environment;
use crate::resource::{IpKind, ObjectKind};

/// A shared CPU with 256 MB of memory, in tenths of cents a month.
const SHARED_CPU: i64 = 1_944;
/// A performance CPU with 2 GB of memory.
const PERFORMANCE_CPU: i64 = 31_000;
/// A GB of memory beyond that.
const MEMORY_GB: i64 = 5_000;
/// A GB of a volume.
const VOLUME_GB: i64 = 150;
/// An IPv4 address of an app's own.
const IPV4: i64 = 2_000;

/// An amount a month, or the difference of two, and whether it is all there is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// In tenths of US cents.
    mills: i64,
    /// Whether the price of everything at Fly that is counted is known.
    pub is_whole: bool,
    /// How many there are of each of [`NOT_COUNTED`], or how many more.
    others: [i32; NOT_COUNTED.len()],
}

/// What has a price that is not counted, with its name for people. A database of Managed Postgres is in a cluster that is
/// paid for as a whole. At Vercel nothing that an environment has is paid for one by one, but what comes of it is: the mark, which each of
/// them has, stands for all of that.
const NOT_COUNTED: [(ObjectKind, &str); 4] = [
    (ObjectKind::PostgresCluster, "clusters of Managed Postgres"),
    (ObjectKind::NeonBranch, "branches at Neon"),
    (ObjectKind::SupabaseBranch, "branches at Supabase"),
    (ObjectKind::VercelMark, "builds and traffic at Vercel"),
];

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self::of(0);

    const fn of(mills: i64) -> Self {
        Self { mills, is_whole: true, others: [0; NOT_COUNTED.len()] }
    }

    /// Something whose price is not known.
    pub const UNKNOWN: Self = Self { mills: 0, is_whole: false, others: [0; NOT_COUNTED.len()] };

    /// Whether there is nothing to tell.
    pub fn is_nothing(self) -> bool {
        self.mills == 0 && self.is_whole && self.not_counted().is_none()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut sum = self;
        sum.mills = sum.mills.saturating_add(other.mills);
        sum.is_whole &= other.is_whole;
        sum.others.iter_mut().zip(other.others).for_each(|(count, more)| *count = count.saturating_add(more));
        sum
    }

    /// What is left without `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let mut rest = self;
        rest.mills = rest.mills.saturating_sub(other.mills);
        rest.is_whole &= other.is_whole;
        rest.others.iter_mut().zip(other.others).for_each(|(count, less)| *count = count.saturating_sub(less));
        rest
    }

    /// What is not counted, for people: `branches at Neon`; nothing where everything is.
    pub fn not_counted(self) -> Option<String> {
        let names = NOT_COUNTED.iter().zip(self.others).filter(|(_, count)| *count != 0).map(|((_, name), _)| *name);
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The amount in dollars with its sign, for programs: `+2.02`, `-31.00`, `0.00`.
    pub fn to_number(self) -> String {
        let cents = self.mills.unsigned_abs().saturating_add(5).checked_div(10).unwrap_or(0);
        let sign = match self.mills {
            _ if cents == 0 => "",
            mills if mills < 0 => "-",
            _ => "+",
        };
        format!("{sign}{}.{:02}", cents.checked_div(100).unwrap_or(0), cents.checked_rem(100).unwrap_or(0))
    }
}

/// As a difference: `+$2.02`, `-$31.00`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.to_number();
        match number.split_at_checked(1) {
            Some((sign @ ("+" | "-"), amount)) => write!(f, "{sign}${amount}"),
            _ => write!(f, "${number}"),
        }
    }
}

/// A machine of this configuration (in normal form). Of one with a GPU the price is not known.
pub fn machine(config: &Value) -> Cost {
    let guest = config.get("guest");
    let field = |name: &str| guest.and_then(|guest| guest.get(name));
    let number = |name: &str| field(name).and_then(Value::as_i64);
    let cpus = number("cpus").unwrap_or(1);
    let (per_cpu, memory_of_cpu) = match field("cpu_kind").and_then(Value::as_str).unwrap_or("shared") {
        "shared" => (SHARED_CPU, 256_i64),
        "performance" => (PERFORMANCE_CPU, 2_048),
        _ => return Cost::UNKNOWN,
    };
    if field("gpu_kind").is_some() || number("gpus").is_some_and(|gpus| gpus > 0) {
        return Cost::UNKNOWN;
    }
    let included = cpus.saturating_mul(memory_of_cpu);
    let beyond = number("memory_mb").unwrap_or(256).saturating_sub(included).max(0);
    let memory = beyond.saturating_mul(MEMORY_GB).checked_div(1_024).unwrap_or(0);
    Cost::of(cpus.saturating_mul(per_cpu).saturating_add(memory))
}

/// A volume of so many GB.
pub fn volume(size_gb: u64) -> Cost {
    Cost::of(i64::try_from(size_gb).unwrap_or(i64::MAX).saturating_mul(VOLUME_GB))
}

/// An address. Only an IPv4 address of an app's own costs something.
pub const fn address(kind: IpKind) -> Cost {
    match kind {
        IpKind::V4 => Cost::of(IPV4),
        IpKind::V6 | IpKind::SharedV4 | IpKind::PrivateV6 => Cost::ZERO,
    }
}

/// An object at another provider: its price is not known here, and it is not counted.
pub fn object(kind: ObjectKind) -> Cost {
    Cost { others: NOT_COUNTED.map(|(known, _)| i32::from(known == kind)), ..Cost::ZERO }
}

/// Everything that an environment asks for.
pub fn environment(environment: &Environment) -> Cost {
    let mut sum = Cost::ZERO;
    for app in &environment.apps {
        for machine_of_app in &app.machines {
            sum = sum.plus(machine(&machine_of_app.config));
        }
        for volume_of_app in &app.volumes {
            sum = sum.plus(volume(volume_of_app.size_gb));
        }
        for kind in app.ips.keys() {
            sum = sum.plus(address(*kind));
        }
    }
    environment.objects.iter().fold(sum, |sum, each| sum.plus(object(each.key.object)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(kind: &str, cpus: u64, memory_mb: u64) -> String {
        machine(&json!({"guest": {"cpu_kind": kind, "cpus": cpus, "memory_mb": memory_mb}})).to_string()
    }

    #[test]
    fn machines_cost_what_the_page_of_prices_says() {
        for (kind, cpus, memory, price) in [
            ("shared", 1, 256, "+$1.94"),
            ("shared", 1, 512, "+$3.19"),
            ("shared", 2, 512, "+$3.89"),
            ("shared", 2, 2_048, "+$11.39"),
            ("shared", 4, 1_024, "+$7.78"),
            ("shared", 8, 2_048, "+$15.55"),
            ("performance", 1, 2_048, "+$31.00"),
            ("performance", 2, 4_096, "+$62.00"),
            ("performance", 16, 32_768, "+$496.00"),
        ] {
            assert_eq!(of(kind, cpus, memory), price, "{kind} {cpus} {memory}");
        }
        assert_eq!(machine(&json!({"image": "x"})).to_string(), "+$1.94", "the smallest is what Fly fills in");
        assert!(!machine(&json!({"guest": {"gpu_kind": "a10"}})).is_whole);
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!(volume(10).minus(volume(30)).to_string(), "-$3.00");
        assert_eq!(address(IpKind::V4).plus(address(IpKind::SharedV4)).to_number(), "+2.00");
        assert_eq!(Cost::ZERO.to_number(), "0.00");
        assert_eq!(Cost::ZERO.to_string(), "$0.00");
        assert!(!Cost::ZERO.minus(Cost::UNKNOWN).is_nothing());
    }

    #[test]
    fn what_is_not_counted_is_named_and_keeps_the_rest_whole() {
        let both = volume(10).plus(object(ObjectKind::NeonBranch)).minus(object(ObjectKind::PostgresCluster));
        assert_eq!((both.to_string().as_str(), both.is_whole), ("+$1.50", true));
        assert_eq!(both.not_counted().unwrap(), "clusters of Managed Postgres, branches at Neon");
        assert!(object(ObjectKind::NeonBranch).minus(object(ObjectKind::NeonBranch)).is_nothing());
        assert!(!object(ObjectKind::SupabaseBranch).is_nothing() && object(ObjectKind::VercelDomain).is_nothing());
        let with_vercel = object(ObjectKind::NeonBranch).plus(object(ObjectKind::VercelMark));
        assert_eq!(with_vercel.not_counted().unwrap(), "branches at Neon, builds and traffic at Vercel");
    }
}
