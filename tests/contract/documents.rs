//! The documents of other platforms than Fly. Test programs include this file by its path.

#[path = "github.rs"]
pub(crate) mod github;
#[path = "openapi.rs"]
mod openapi;
#[path = "supabase.rs"]
pub(crate) mod supabase;
