//! `hangar sim`: the simulator on a socket, for anything that speaks to Fly.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::Sim;
use super::exit::{CliError, Exit};
use super::faults::{self, RequestLog};
use super::{output, signals, simulator};
use crate::clock::{SharedClock, SystemClock};
use crate::http::ReqwestTransport;
use crate::http::transport::SharedTransport;
use crate::sim::{Profile, SimConfig, SimNeonProject, SimVercelProject, SimVercelTeam, Simulator};

/// How often the state is saved while serving.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// The project of Neon that is there from the beginning, for clients that list them.
const NEON_PROJECT: &str = "quiet-river-100001";

pub(super) async fn run(args: &Sim) -> Result<Exit, CliError> {
    if !args.listen.ip().is_loopback() {
        let message = format!(
            "`--listen {}`: the simulator has no real access control, so it listens only on this machine",
            args.listen
        );
        return Err(CliError::Usage(message));
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let neon_projects = vec![SimNeonProject { name: "demo".to_owned(), ..SimNeonProject::new(NEON_PROJECT) }];
    let project = SimVercelProject {
        name: "web".to_owned(),
        team: "acme".to_owned(),
        repo: Some("acme/web".to_owned()),
        production_branch: None,
    };
    let config = SimConfig {
        open_orgs: true,
        command: Some(simulator::COMMAND),
        seed: args.seed,
        neon_projects,
        vercel_teams: vec![SimVercelTeam::new("acme")],
        vercel_projects: vec![project],
        ..SimConfig::default()
    };
    let sim = if let Some(file) = &args.state {
        simulator::restore(file, config, &clock)?
    } else {
        let sim = Simulator::new(config, Arc::clone(&clock));
        simulator::hold_to_contract(&sim)?;
        sim
    };
    if args.faults.is_some() || args.profile.is_some() {
        let mut chosen = args.faults.as_deref().map(faults::read).transpose()?.unwrap_or_default();
        chosen.profile = args.profile.as_deref().and_then(Profile::named).or(chosen.profile);
        sim.set_faults(&chosen);
    }
    if let Some(file) = &args.request_log {
        sim.listen(Arc::new(RequestLog::open(file)?));
    }
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .map_err(CliError::io(format!("`{}` cannot be listened on", args.listen)))?;
    let address = listener.local_addr().map_err(CliError::io("the address could not be read"))?;
    output::result(&format!(
        "The Fly Machines API is simulated at http://{address}. Any token that begins with `sim_` is accepted.\n\n  \
         export FLY_FLAPS_BASE_URL=http://{address} FLY_API_TOKEN=sim_demo\n  hangar reconcile --once PATH\n\n\
         State, requests and faults: http://{address}/_sim/state, /_sim/requests, /_sim/faults. Ctrl-C ends it.\n"
    ));
    let webhooks: SharedTransport = Arc::new(ReqwestTransport::new()?);
    tokio::select! {
        served = sim.serve(listener) => served.map_err(CliError::io("the simulator stopped serving"))?,
        () = signals::received() => {}
        () = sim.deliver_webhooks(webhooks) => {}
        () = keep_saving(&sim, args.state.as_deref(), &clock) => {}
    }
    if let Some(file) = &args.state {
        simulator::save(&sim, file).map_err(CliError::io(format!("`{}` cannot be written", file.display())))?;
    }
    Ok(Exit::Ok)
}

async fn keep_saving(sim: &Simulator, file: Option<&Path>, clock: &SharedClock) {
    let Some(file) = file else { return std::future::pending().await };
    loop {
        clock.sleep(SAVE_EVERY).await;
        if let Err(error) = simulator::save(sim, file) {
            tracing::warn!(file = %file.display(), %error, "the simulator's state was not saved");
        }
    }
}
