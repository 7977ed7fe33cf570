use chrono::{DateTime, TimeDelta, Utc};

use crate::event::{Event, What};
use crate::memory::{Memory, Note, NoteOutcome, Rejection, Verb};
use crate::resource::{AppName, EnvName, IpKind, MachineSlot, ResourceKey, VolumeSlot};

/// `seconds` after the moment at which tests begin.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 123_456_789).unwrap() + TimeDelta::seconds(seconds)
}

pub(super) fn machine_key(ordinal: u32) -> ResourceKey {
    let slot = MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal };
    ResourceKey::Machine { app: AppName::new("staging-server"), slot }
}

pub(super) fn note(key: ResourceKey, verb: Verb, seconds: i64) -> Note {
    let detail = format!("launch-{seconds}");
    Note { key, env: EnvName::new("staging"), verb, detail, sent_at: at(seconds), outcome: NoteOutcome::Unknown }
}

pub(super) fn rejection(attempts: u32) -> Rejection {
    Rejection {
        hash: "abc".to_owned(),
        reason: "CapacityMissing".to_owned(),
        message: "no room in iad".to_owned(),
        at: at(3),
        retry_at: at(60),
        attempts,
    }
}

/// A memory with something in every field.
pub(super) fn full_memory() -> Memory {
    let app = AppName::new("staging-server");
    let slot = VolumeSlot {
        name: "data".to_owned(),
        machine: MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 },
    };
    let mut memory = Memory::blank("run-1", at(0));
    memory.note(note(ResourceKey::App { app: app.clone() }, Verb::Create, 1));
    memory.conclude(
        &ResourceKey::App { app: app.clone() },
        Verb::Create,
        crate::memory::Conclusion::Done { at: at(2), id: Some("x".to_owned()) },
    );
    memory.note(note(ResourceKey::Volume { app: app.clone(), slot }, Verb::Create, 2));
    memory.note(note(ResourceKey::Ip { app: app.clone(), ip: IpKind::SharedV4 }, Verb::Create, 2));
    memory.note(note(machine_key(1), Verb::Update, 2));
    memory.note(note(machine_key(0), Verb::Update, 2));
    memory.volumes.insert("vol_1".to_owned(), app);
    memory.organizations.insert("acme".into());
    memory.freed.insert(AppName::new("staging-web"), at(4));
    memory.deletions =
        vec![("machine b".to_owned(), at(5)), ("machine a".to_owned(), at(5)), ("machine b".to_owned(), at(5))];
    memory.acknowledge("hash-1");
    memory.acknowledged.insert("hash-2".to_owned(), ["staging-web 1".to_owned()].into());
    memory.expired.insert("old".into(), "0123".to_owned());
    memory.missing_images.insert("ghcr.io/acme/chat:1".to_owned(), at(6));
    memory.rejections.insert("machine 1".to_owned(), rejection(2));
    memory
}

pub(super) fn event(env: &str, steps: usize) -> Event {
    let seconds = i64::try_from(steps).unwrap();
    Event { at: at(seconds), env: EnvName::new(env), what: What::Planned { steps } }
}
