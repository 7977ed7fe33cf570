//! Supabase: the branches of a project, and how to reach them, as far as its Management API has it.

mod client;
mod error;
mod marks;
pub mod objects;
pub mod wire;

pub use client::{CreateBranch, DEFAULT_BASE_URL, Deleted, SupabaseReader, SupabaseWriter, UpdateBranch, connection};
pub use error::{Class, Place, SupabaseError, SupabaseProblem};

#[cfg(test)]
mod tests;
