//! What people and the GitHub integration do at Supabase, and what is there. None of it is a request.

use serde::Serialize;

use super::state::Branch;
use crate::sim::Simulator;
use crate::sim::edits::EditError;

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupabaseBranchView {
    /// Its id, a UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The reference of the project that it is.
    pub reference: String,
    /// The reference of the project that it is a branch of.
    pub parent: String,
    /// The branch in git that it follows.
    pub git_branch: Option<String>,
    /// How far it is, from `CREATING_PROJECT` to `FUNCTIONS_DEPLOYED`.
    pub status: String,
    /// Whether it stays when its pull request is closed.
    pub persistent: bool,
}

impl Simulator {
    /// The branches of a Supabase project, in the order of their creation.
    pub fn supabase_branches(&self, project: &str) -> Vec<SupabaseBranchView> {
        let (now, takes) = (self.now(), self.inner.config.supabase);
        let mut state = self.present();
        state.world.supabase.advance(now);
        let views = state.world.supabase.branches(project).into_iter().map(|(project, branch)| SupabaseBranchView {
            id: branch.id.clone(),
            name: branch.name.clone(),
            reference: project.reference.clone(),
            parent: branch.parent.clone(),
            git_branch: branch.follows.clone(),
            status: project.progress(branch, now, takes).to_owned(),
            persistent: branch.persistent,
        });
        views.collect()
    }

    /// The references of the Supabase projects that branches are made of.
    pub fn supabase_projects(&self) -> Vec<String> {
        self.inner.config.supabase_projects.iter().map(|project| project.reference.clone()).collect()
    }

    /// The password of the database of a Supabase project or branch.
    pub fn supabase_password(&self, reference: &str) -> Option<String> {
        Some(self.present().world.supabase.project(reference)?.password.0.clone())
    }

    /// The GitHub integration makes a branch for a pull request; returns the reference of the project that it is.
    pub fn create_supabase_branch(&self, project: &str, git_branch: &str, pull: u64) -> Result<String, EditError> {
        let now = self.now();
        let mut state = self.present();
        if state.world.supabase.project(project).is_none() {
            return Err(EditError::NotFound { what: format!("Supabase project `{project}`") });
        }
        let branch = Branch {
            id: String::new(),
            parent: String::new(),
            name: git_branch.to_owned(),
            follows: Some(git_branch.to_owned()),
            pr_number: Some(pull),
            persistent: false,
            with_data: false,
            notify_url: None,
            postgres_engine: "17".to_owned(),
            deletion_scheduled_at: None,
            fails: false,
        };
        Ok(state.world.supabase.create(project, branch, None, now))
    }

    /// The migrations of a branch fail.
    pub fn fail_supabase_migrations(&self, reference: &str) -> Result<(), EditError> {
        let mut state = self.present();
        let branch = state.world.supabase.project_mut(reference).and_then(|project| project.branch.as_mut());
        branch.ok_or_else(|| EditError::NotFound { what: format!("Supabase branch `{reference}`") })?.fails = true;
        Ok(())
    }

    /// A person, or the integration, deletes a branch.
    pub fn delete_supabase_branch(&self, reference: &str) -> Result<(), EditError> {
        let mut state = self.present();
        if state.world.supabase.find(reference).is_none() {
            return Err(EditError::NotFound { what: format!("Supabase branch `{reference}`") });
        }
        state.world.supabase.remove(reference);
        Ok(())
    }
}
