//! Supabase: the few calls of its Management API that give connection strings of a project's branches.

mod client;
mod error;
pub mod wire;

pub use client::{CreateBranch, DEFAULT_BASE_URL, Deleted, SupabaseReader, SupabaseWriter, connection};
pub use error::{Class, Place, SupabaseError, SupabaseProblem};

#[cfg(test)]
mod tests;
