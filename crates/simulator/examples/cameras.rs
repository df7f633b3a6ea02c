//! Runs the cameras of the demonstration alone, for a look with any RTSP player:
//! `cargo run -p simulator --example cameras -- DIRECTORY-FOR-CLIPS [FIRST-PORT]`. Ends with Ctrl-C.
#![expect(clippy::print_stdout, reason = "it tells the user where the cameras are")]

use std::{error::Error, net::SocketAddr, path::Path};

use domain::Rendition;
use simulator::{Simulator, fleet};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(clips) = arguments.first() else { return Err("name a directory for the clips".into()) };
    let first_port = arguments.get(1).map_or(Ok(0), |port| port.parse())?;
    let address = SocketAddr::from(([127, 0, 0, 1], first_port));
    let simulator = Simulator::start(&fleet::demo(), Path::new(clips), address, CancellationToken::new()).await?;
    for plan in simulator.plans() {
        let (main, sub) = (simulator.url(&plan.id, Rendition::Main)?, simulator.url(&plan.id, Rendition::Sub)?);
        println!("{:>3}  {:<9} {sub}  {main}  {}", plan.picture_number, plan.id, plan.name);
    }
    tokio::signal::ctrl_c().await?;
    simulator.shutdown().await;
    Ok(())
}
