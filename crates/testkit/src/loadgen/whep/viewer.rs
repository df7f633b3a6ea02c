//! One viewer: a peer connection that receives one video track.

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Url, header};
use socket2::SockRef;
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    media::{Direction, MediaKind},
    net::{Protocol, Receive},
};
use tokio::{net::UdpSocket, sync::watch, time::sleep_until};

use crate::loadgen::{
    measure::{RtpFrames, clock::now_ns, rtp::Packet},
    read::enter,
    window::Phase,
};

/// Receive buffer asked of the system, so that a keyframe's burst fits.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The largest datagram taken.
const DATAGRAM_MAX: usize = 2_048;
/// Datagrams that are taken in a row before another viewer gets its turn.
const DATAGRAMS_IN_A_ROW: usize = 64;

/// Offers to take one video of H.264 at `address`.
pub(crate) fn offer(address: SocketAddr) -> Result<(Rtc, SdpOffer, SdpPendingOffer)> {
    let mut rtc = RtcConfig::new().clear_codecs().enable_h264(true).set_rtp_mode(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host(address, "udp")?);
    let mut change = rtc.sdp_api();
    change.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, pending) = change.apply().context("nothing to offer")?;
    Ok((rtc, offer, pending))
}

/// A viewer whose offer was answered.
pub(super) struct Viewer {
    client: Client,
    rtc: Box<Rtc>,
    socket: UdpSocket,
    address: SocketAddr,
    /// Where the session is ended.
    session: Option<Url>,
}

impl Viewer {
    /// Offers, and takes the answer.
    pub(super) async fn join(client: &Client, url: &str) -> Result<Self> {
        let url: Url = url.parse().context("the address cannot be read")?;
        let socket = bind_towards(&url).await?;
        let address = socket.local_addr()?;
        let (mut rtc, offer, pending) = offer(address)?;
        let request =
            client.post(url.clone()).header(header::CONTENT_TYPE, "application/sdp").body(offer.to_sdp_string());
        let response = request.send().await.context("the offer cannot be sent")?;
        ensure!(response.status().is_success(), "the offer was answered with {}", response.status());
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let session = location.and_then(|location| response.url().join(location).ok());
        let answer = SdpAnswer::from_sdp_string(&response.text().await?).context("the answer cannot be read")?;
        rtc.sdp_api().accept_answer(pending, answer).context("the answer does not fit")?;
        Ok(Self { client: client.clone(), rtc: Box::new(rtc), socket, address, session })
    }

    /// Takes packets until the run ends.
    pub(super) async fn watch(mut self, packets: &mut RtpFrames, mut phase: watch::Receiver<Phase>) -> Result<()> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let wake_at = self.act(packets)?;
            tokio::select! {
                biased;
                changed = phase.changed() => {
                    let now = changed.map_or(Phase::End, |()| *phase.borrow_and_update());
                    if enter(now, packets) {
                        self.leave().await;
                        return Ok(());
                    }
                }
                readable = self.socket.readable() => {
                    readable?;
                    self.take(&mut buffer, packets)?;
                }
                () = sleep_until(wake_at.into()) => self.rtc.handle_input(Input::Timeout(Instant::now()))?,
            }
        }
    }

    fn take(&mut self, buffer: &mut [u8], packets: &mut RtpFrames) -> Result<()> {
        for _ in 0..DATAGRAMS_IN_A_ROW {
            let Ok((length, source)) = self.socket.try_recv_from(buffer) else { return Ok(()) };
            let Some(contents) = buffer.get(..length).and_then(|datagram| datagram.try_into().ok()) else { continue };
            let receive = Receive { proto: Protocol::Udp, source, destination: self.address, contents };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
            self.act(packets)?;
        }
        Ok(())
    }

    /// Does what the connection wants done, until it waits.
    fn act(&mut self, packets: &mut RtpFrames) -> Result<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                // What the system does not take at once is lost like any datagram.
                Output::Transmit(transmit) => drop(self.socket.try_send_to(&transmit.contents, transmit.destination)),
                Output::Event(Event::RtpPacket(packet)) => packets.take(
                    now_ns(),
                    &Packet {
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        marker: packet.header.marker,
                        payload: &packet.payload,
                    },
                ),
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    bail!("the connection is lost")
                }
                Output::Event(_) => {}
            }
        }
    }

    async fn leave(mut self) {
        self.rtc.disconnect();
        if let Some(session) = self.session {
            // A server that is gone needs no goodbye.
            drop(self.client.delete(session).send().await);
        }
    }
}

/// A socket on the address of ours that reaches the server.
async fn bind_towards(url: &Url) -> Result<UdpSocket> {
    let host = url.host_str().context("the address has no host")?;
    let probe = UdpSocket::bind("0.0.0.0:0").await?;
    probe.connect((host, url.port_or_known_default().unwrap_or(80))).await.context("the host has no address")?;
    let socket = UdpSocket::bind((probe.local_addr()?.ip(), 0)).await?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
    Ok(socket)
}
