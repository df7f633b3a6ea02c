//! aiortc, a WebRTC client of another make, in an environment of its own that is made once.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::timeout,
};

const VERSION: &str = "1.16.0";
/// The longest a client takes to end.
const PATIENCE: Duration = Duration::from_secs(60);
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webrtc/aiortc_client.py");

/// One test makes the environment, the others wait.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A running client.
pub(crate) struct Client(Child);

impl Client {
    /// Starts to publish to a WHIP endpoint.
    pub(crate) async fn publish(url: &str) -> Self {
        Self::start(&["publish", url]).await
    }

    /// Reads a WHEP endpoint for some seconds.
    pub(crate) async fn read(url: &str, seconds: u32) -> Self {
        Self::start(&["read", url, &seconds.to_string()]).await
    }

    async fn start(arguments: &[&str]) -> Self {
        let python = environment().await.join("bin/python");
        let mut command = Command::new(python);
        command.arg(CLIENT).args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the environment has a Python"))
    }

    /// Lets it end, and what it reports then.
    pub(crate) async fn report(mut self) -> Value {
        drop(self.0.stdin.take());
        let output = timeout(PATIENCE, self.0.wait_with_output()).await.expect("it ends in time").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

async fn environment() -> PathBuf {
    let _making = MAKING.lock().await;
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("aiortc-{VERSION}"));
    let made = home.join("made");
    if !made.exists() {
        step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home)).await;
        let package = format!("aiortc=={VERSION}");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
        step(Command::new(home.join("bin/python")).args(install)).await;
        std::fs::write(made, VERSION).unwrap();
    }
    home
}

async fn step(command: &mut Command) {
    let output = command.output().await.expect("python3 is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
