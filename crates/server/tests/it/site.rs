//! The program with the first cameras of the demonstration, whose faults the test decides.

use std::{fmt::Write as _, net::Ipv4Addr, process::Output, time::Duration};

use anyhow::{Context as _, Result};
use domain::Rendition;
use simulator::{CameraPlan, Simulator, fleet};
use testkit::{server::Cctv, workspace};
use tokio_util::sync::CancellationToken;

pub(crate) struct Site {
    pub(crate) cctv: Cctv,
    pub(crate) simulator: Simulator,
    pub(crate) cameras: Vec<CameraPlan>,
}

impl Site {
    pub(crate) async fn start(cameras: usize) -> Result<Self> {
        let cameras: Vec<_> = fleet::demo().into_iter().take(cameras).collect();
        let clips = workspace::cache("clips")?;
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let simulator = Simulator::start(&cameras, &clips, address, CancellationToken::new()).await?;
        let mut config = String::new();
        for plan in &cameras {
            let main = simulator.url(&plan.id, Rendition::Main)?;
            let sub = simulator.url(&plan.id, Rendition::Sub)?;
            write!(
                config,
                "[[cameras]]\nid = {:?}\nname = {:?}\nname_ar = {:?}\nsource = \"{}\"\nmain = \"{main}\"\nsub = \"{sub}\"\n\
                 metadata = {{ picture_number = \"{}\" }}\n",
                plan.id, plan.name, plan.name_ar, plan.agency, plan.picture_number
            )?;
        }
        Ok(Self { cctv: Cctv::start(&config).await?, simulator, cameras })
    }

    /// Runs a suite of `web/e2e` against the dashboard.
    pub(crate) async fn browse(&self, arguments: &[&str]) -> Result<Output> {
        let url = format!("http://127.0.0.1:{}", self.cctv.ports().web);
        let mut command = tokio::process::Command::new("node");
        command.args(["e2e/run.mjs", "--url", &url]).args(arguments).current_dir(workspace::root().join("web"));
        let output = tokio::time::timeout(Duration::from_secs(180), command.kill_on_drop(true).output()).await;
        output.context("the browser did not end within 180 s")?.context("cannot start node")
    }
}

/// What a program said, for a test that fails.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
