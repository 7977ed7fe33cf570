//! Notes by what they are about.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Memory, Note, NoteOutcome, Timing, Verb};
use crate::resource::ResourceKey;

/// The notes of a memory by what they are about, for whoever asks about many keys: to go through all notes once for each of them
/// would take longer with every environment twice over.
#[derive(Debug)]
pub struct NotesByKey<'m>(BTreeMap<&'m ResourceKey, Vec<&'m Note>>);

impl<'m> NotesByKey<'m> {
    /// Of all notes in `memory`.
    pub fn of(memory: &'m Memory) -> Self {
        let mut by_key: BTreeMap<&ResourceKey, Vec<&Note>> = BTreeMap::new();
        for note in &memory.notes {
            by_key.entry(&note.key).or_default().push(note);
        }
        Self(by_key)
    }

    /// All notes about `key`, in the order of the memory.
    pub fn about(&self, key: &ResourceKey) -> &[&'m Note] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// As [`Memory::open_note`].
    pub fn open(&self, key: &ResourceKey, now: DateTime<Utc>, timing: Timing) -> Option<&'m Note> {
        longest_open(self.about(key).iter().copied(), now, timing)
    }

    /// The same for what is only noted on what `key` names: which of several is the newest does not matter for that.
    pub fn open_for_mark(&self, key: &ResourceKey, now: DateTime<Utc>, timing: Timing) -> Option<&'m Note> {
        let is_past = |note: &&Note| note.makes_another() && matches!(note.outcome, NoteOutcome::Done { .. });
        longest_open(self.about(key).iter().copied().filter(|note| !is_past(note)), now, timing)
    }

    /// As [`Memory::open_note_for_end`].
    pub fn open_for_end(&self, key: &ResourceKey, now: DateTime<Utc>, timing: Timing) -> Option<&'m Note> {
        longest_open(self.about(key).iter().copied().filter(|note| !is_answered_change(note)), now, timing)
    }
}

impl Memory {
    /// The note that keeps `key` open now, if any; the one that lasts longest.
    pub fn open_note(&self, key: &ResourceKey, now: DateTime<Utc>, timing: Timing) -> Option<&Note> {
        longest_open(self.notes.iter().filter(|note| note.key == *key), now, timing)
    }

    /// The same for the end of what `key` names at a person's word: a change that was answered has had its effect, and ends with the
    /// object, whether or not a listing shows it yet.
    pub fn open_note_for_end(&self, key: &ResourceKey, now: DateTime<Utc>, timing: Timing) -> Option<&Note> {
        let notes = self.notes.iter().filter(|note| note.key == *key && !is_answered_change(note));
        longest_open(notes, now, timing)
    }
}

/// What is renewed is another one after each change, and has to be listed before it can be deleted.
fn is_answered_change(note: &Note) -> bool {
    note.verb == Verb::Update && matches!(note.outcome, NoteOutcome::Done { .. }) && !note.makes_another()
}

fn longest_open<'n>(notes: impl Iterator<Item = &'n Note>, now: DateTime<Utc>, timing: Timing) -> Option<&'n Note> {
    notes.filter(|note| now < note.open_until(timing)).max_by_key(|note| note.open_until(timing))
}
