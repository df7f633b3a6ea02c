//! The command line. Every option is described where it stands; what is not listed is refused.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::clip::Profile;

/// Loads a media server and judges what it delivers.
///
/// Publishers and readers are separate runs, so that each has a core of its own. Each run prints one line of JSON. Exit
/// status: 0 clean, 1 it could not run, 2 a wrong option, 3 discarded because the generator was late (p99 above 5 ms) or its
/// core full (above 85 %), 4 the server lost, tore, mixed up or froze something.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub mode: Mode,
}

/// The modes.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Publishes streams by RTSP (ANNOUNCE, RECORD), each at a random phase of its GOP.
    PublishRtsp(PublishRtsp),
    /// Plays streams by RTSP.
    ReadRtsp(ReadRtsp),
    /// Views streams by WHEP, one connection each, without decoding.
    ReadWhep(ReadHttp),
    /// Opens walls: each shows its first SLOTS streams by WHEP and is live when all have a picture.
    Wall(Wall),
    /// Plays streams by LL-HLS: blocking reload, and the hinted part asked for ahead.
    ReadLlhls(ReadHttp),
    /// Plays streams by RTSP over TCP, taking RATE bytes per second. What a server skips for it is no fault, a torn access unit is.
    SlowReader(SlowReader),
    /// Lets RATE readers per second come, see one picture and go, every second one without a goodbye.
    Churn(Churn),
}

/// What carries RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// The RTSP connection.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Options of `publish-rtsp`.
#[derive(Clone, Debug, Args)]
pub struct PublishRtsp {
    /// What carries RTP.
    pub transport: Transport,
    /// Where to; `{}` is the number of the stream, such as `rtsp://127.0.0.1:8554/load_{}`.
    #[arg(long)]
    pub url: String,
    /// How many streams.
    #[arg(short = 'n', long, default_value_t = 1)]
    pub streams: u32,
    /// The kind of clip, made by ffmpeg on first need.
    #[arg(long, value_enum, default_value_t = Profile::Light)]
    pub profile: Profile,
    /// An H.264 byte stream to send instead of a profile's clip.
    #[arg(long)]
    pub clip: Option<PathBuf>,
    /// Access units per second.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub fps: u32,
    /// How long to publish, in seconds.
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// The largest payload of a packet, in bytes.
    #[arg(long, default_value_t = 1_400, value_parser = clap::value_parser!(u16).range(200..=9000))]
    pub payload_max: u16,
    /// Begins the random phases; the same number gives the same load.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Begins the GOPs of all streams at once instead of at random; only the phase of the frame stays random.
    #[arg(long)]
    pub aligned: bool,
    /// Counts every Nth access unit of a stream without sending it, to see a reader's checks turn red.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
    pub withhold: Option<u32>,
}

/// What a reader reads.
#[derive(Clone, Debug, Args)]
pub struct Readers {
    /// Where from; `{}` is the number of the stream.
    #[arg(long)]
    pub url: String,
    /// How many streams there are.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub streams: u32,
    /// How many readers in all; reader i reads stream i modulo the streams. As many as streams where it is not said.
    #[arg(short = 'n', long)]
    pub readers: Option<u32>,
    /// Access units per second that are published.
    #[arg(long, default_value_t = 25.0, value_parser = positive)]
    pub fps: f64,
    /// How long after one reader the next one joins, in milliseconds.
    #[arg(long, default_value_t = 2)]
    pub ramp_ms: u64,
    /// What and when is measured.
    #[command(flatten)]
    pub window: Window,
}

/// When is measured.
#[derive(Clone, Debug, Args)]
pub struct Window {
    /// How long after the last reader has joined the measurement begins, in seconds.
    #[arg(long, default_value_t = 10.0)]
    pub warm_up: f64,
    /// How long is measured, in seconds.
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
    /// The server's process, to measure its processor time and memory with those of its children.
    #[arg(long)]
    pub server_pid: Option<u32>,
}

/// Options of `read-rtsp`.
#[derive(Clone, Debug, Args)]
pub struct ReadRtsp {
    /// What carries RTP.
    pub transport: Transport,
    /// Who reads.
    #[command(flatten)]
    pub readers: Readers,
}

/// Options of `read-whep` and `read-llhls`.
#[derive(Clone, Debug, Args)]
pub struct ReadHttp {
    /// Who reads.
    #[command(flatten)]
    pub readers: Readers,
}

/// Options of `wall`.
#[derive(Clone, Debug, Args)]
pub struct Wall {
    /// How many tiles a wall has; tile i shows stream i modulo the streams.
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,
    /// Who reads; `-n` is the number of walls.
    #[command(flatten)]
    pub readers: Readers,
}

/// Options of `slow-reader`.
#[derive(Clone, Debug, Args)]
pub struct SlowReader {
    /// Bytes per second that each reader takes.
    #[arg(value_parser = positive)]
    pub rate: f64,
    /// Who reads.
    #[command(flatten)]
    pub readers: Readers,
}

/// Options of `churn`.
#[derive(Clone, Debug, Args)]
pub struct Churn {
    /// Readers per second.
    #[arg(value_parser = positive)]
    pub rate: f64,
    /// What carries RTP.
    #[arg(long, value_enum, default_value_t = Transport::Tcp)]
    pub transport: Transport,
    /// Where from; `{}` is the number of the stream.
    #[arg(long)]
    pub url: String,
    /// How many streams there are; visitor i sees stream i modulo the streams.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub streams: u32,
    /// Access units per second that are published.
    #[arg(long, default_value_t = 25.0, value_parser = positive)]
    pub fps: f64,
    /// How long visitors come, in seconds.
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
    /// The server's process, to measure its processor time and memory with those of its children.
    #[arg(long)]
    pub server_pid: Option<u32>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("not above 0".to_owned()) }
}

impl Options {
    /// Reads a command line without the program's name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_line(line: &str) -> Result<Self, clap::Error> {
        Self::try_parse_from(std::iter::once("loadgen").chain(line.split_whitespace()))
    }
}

impl Readers {
    /// How many readers there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.readers.unwrap_or(self.streams)
    }

    /// What reader `reader` reads: the number of the stream, and its address.
    #[must_use]
    pub fn stream_of(&self, reader: u32) -> (u32, String) {
        let stream = reader % self.streams.max(1);
        (stream, address(&self.url, stream))
    }
}

/// The address of a stream.
#[must_use]
pub fn address(pattern: &str, stream: u32) -> String {
    pattern.replace("{}", &stream.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_option_is_described() {
        let mut command = Options::command();
        command.build();
        for mode in command.get_subcommands() {
            assert!(mode.get_about().is_some(), "{} has no description", mode.get_name());
            for argument in mode.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} of {} has no description",
                    argument.get_id(),
                    mode.get_name()
                );
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for line in
            ["", "read-rtp tcp --url x", "read-rtsp sctp --url x", "read-rtsp tcp", "read-rtsp tcp --url x --bogus 1"]
        {
            assert!(Options::of_line(line).is_err(), "{line:?} was taken");
        }
        assert!(Options::of_line("read-rtsp udp --url rtsp://h/x_{} -n 5 --streams 2 --server-pid 7").is_ok());
    }

    #[test]
    fn readers_are_dealt_out_to_the_streams() {
        let Mode::ReadRtsp(read) = Options::of_line("read-rtsp tcp --url rtsp://h/x_{} --streams 2 -n 5").unwrap().mode
        else {
            panic!("another mode");
        };
        let streams: Vec<u32> = (0..read.readers.count()).map(|reader| read.readers.stream_of(reader).0).collect();
        assert_eq!(streams, [0, 1, 0, 1, 0]);
        assert_eq!(read.readers.stream_of(3).1, "rtsp://h/x_1");
        assert_eq!(address("rtsp://h/only", 3), "rtsp://h/only");
    }
}
