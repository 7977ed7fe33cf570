//! One module per provider: its typed client, its wire types, how it is observed and how changes are applied.

pub mod fly;
pub mod github;
mod lenient;
pub mod neon;
pub mod objects;
pub mod registry;
pub mod supabase;
pub mod vercel;
