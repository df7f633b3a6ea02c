//! The RTSP conversation of one publisher: ANNOUNCE, SETUP, RECORD, signs of life, TEARDOWN.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use media_proto::{
    Track,
    rtsp::{
        framing::{Decoder, Frame, write_request},
        url::{self, Endpoint},
    },
    sdp,
};
use rtsp_types::{HeaderName, Method, Request, Response, StatusCode, Url, Version, headers};
use socket2::SockRef;

use super::super::options::Transport;
use crate::ports;

/// The longest wait for a response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Send buffer asked of the system, so that a keyframe fits.
const SEND_BUFFER: usize = 1 << 20;

/// A stream that is being published.
#[derive(Debug)]
pub(super) struct Session {
    tcp: TcpStream,
    decoder: Decoder,
    url: Url,
    cseq: u32,
    id: Option<String>,
    /// RTP and RTCP, connected to the server's ports, where it is datagrams that carry them.
    pub(super) datagrams: Option<(UdpSocket, UdpSocket)>,
}

impl Session {
    /// Publishes at `url`.
    pub(super) fn open(url: &str, track: &Track, transport: Transport) -> Result<Self> {
        let url = url::parse(url)?;
        let Endpoint { host, port } = Endpoint::of(&url);
        let address = (host.as_str(), port).to_socket_addrs()?.next().context("the host has no address")?;
        let tcp = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self { tcp, decoder: Decoder::new(), url, cseq: 0, id: None, datagrams: None };
        session.announce(track, transport, address)?;
        SockRef::from(&session.tcp).set_send_buffer_size(SEND_BUFFER)?;
        session.tcp.set_nonblocking(true)?;
        Ok(session)
    }

    /// The connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Throws away what the server says meanwhile; false once it has closed the connection.
    pub(super) fn drain(&mut self) -> bool {
        let mut scratch = [0; 4096];
        loop {
            match self.tcp.read(&mut scratch) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// The bytes of a request that says the publisher is there.
    pub(super) fn keep_alive(&mut self) -> Vec<u8> {
        let request = self.request(Method::Options, self.url.clone(), &[], Vec::new());
        write_request(&request).to_vec()
    }

    /// Says goodbye; a connection that cannot take it at once goes without.
    pub(super) fn end(mut self) {
        let request = self.request(Method::Teardown, self.url.clone(), &[], Vec::new());
        let _ = self.tcp.write(&write_request(&request));
    }

    fn announce(&mut self, track: &Track, transport: Transport, server: SocketAddr) -> Result<()> {
        let description = sdp::write(std::slice::from_ref(track), "loadgen").into_bytes();
        self.ask(
            Method::Announce,
            self.url.clone(),
            &[(headers::CONTENT_TYPE, "application/sdp".into())],
            description,
        )?;
        let mut control = self.url.clone();
        control.set_path(&format!("{}/trackID={}", self.url.path().trim_end_matches('/'), track.id.0));
        match transport {
            Transport::Tcp => {
                let carrier = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record".to_owned();
                self.ask(Method::Setup, control, &[(headers::TRANSPORT, carrier)], Vec::new())?;
            }
            Transport::Udp => self.set_up_datagrams(control, server)?,
        }
        let range = (headers::RANGE, "npt=0.000-".to_owned());
        self.ask(Method::Record, self.url.clone(), &[range], Vec::new()).map(drop)
    }

    fn set_up_datagrams(&mut self, control: Url, server: SocketAddr) -> Result<()> {
        let (rtp, rtcp) = ports::free_udp_pair()?;
        let sockets = (bind(rtp)?, bind(rtcp)?);
        let carrier = format!("RTP/AVP;unicast;client_port={rtp}-{rtcp};mode=record");
        let response = self.ask(Method::Setup, control, &[(headers::TRANSPORT, carrier)], Vec::new())?;
        let answer = response.header(&headers::TRANSPORT).context("SETUP was answered without Transport")?.as_str();
        let ports = answer.split(';').find_map(|part| part.trim().strip_prefix("server_port=")?.split_once('-'));
        let (server_rtp, server_rtcp) = ports.context("the server names no ports")?;
        sockets.0.connect((server.ip(), server_rtp.parse()?))?;
        sockets.1.connect((server.ip(), server_rtcp.parse()?))?;
        self.datagrams = Some(sockets);
        Ok(())
    }

    fn ask(
        &mut self,
        method: Method,
        url: Url,
        lines: &[(HeaderName, String)],
        body: Vec<u8>,
    ) -> Result<Response<Vec<u8>>> {
        let name = format!("{method:?}");
        let request = self.request(method, url, lines, body);
        self.tcp.write_all(&write_request(&request)).with_context(|| format!("cannot send {name}"))?;
        let response = self.response().with_context(|| format!("no answer to {name}"))?;
        ensure!(response.status() == StatusCode::Ok, "{name} was answered with {:?}", response.status());
        if let Some(id) = response.header(&headers::SESSION) {
            self.id = Some(id.as_str().split(';').next().unwrap_or_default().to_owned());
        }
        Ok(response)
    }

    fn request(&mut self, method: Method, url: Url, lines: &[(HeaderName, String)], body: Vec<u8>) -> Request<Vec<u8>> {
        self.cseq += 1;
        let builder =
            Request::builder(method, Version::V1_0).request_uri(url).header(headers::CSEQ, self.cseq.to_string());
        let builder = lines.iter().fold(builder, |builder, (name, value)| builder.header(name.clone(), value.clone()));
        let builder = self.id.iter().fold(builder, |builder, id| builder.header(headers::SESSION, id.clone()));
        builder.build(body)
    }

    fn response(&mut self) -> Result<Response<Vec<u8>>> {
        let mut chunk = [0; 4096];
        loop {
            match self.decoder.next()? {
                Some(Frame::Response(response)) => return Ok(response),
                Some(Frame::Request(_) | Frame::Interleaved { .. }) => continue,
                None => {}
            }
            match self.tcp.read(&mut chunk)? {
                0 => bail!("the server closed the connection"),
                length => self.decoder.push(chunk.get(..length).unwrap_or_default()),
            }
        }
    }
}

fn bind(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).context("the UDP port is taken")?;
    SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER)?;
    Ok(socket)
}
