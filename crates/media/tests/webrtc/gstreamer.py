"""GStreamer's webrtcbin as a WHEP or WHIP client of H.265, without the HTTP around the offer and the answer.

usage: gstreamer.py read|publish PICTURES

Writes the offer as one line of JSON and reads the answer as another. A reader then writes "WIDTHxHEIGHT" for each picture
it has decoded, with a word more where it is damaged, until it has so many; a publisher sends ten small pictures per second until it is ended.
"""

import ctypes
import hashlib
import json
import re
import ssl
import subprocess
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

CAPS = "application/x-rtp,media=video,encoding-name=H265,payload=100,clock-rate=90000"
# The DTLS of the server takes ECDSA alone, as browsers have it; GStreamer's own certificate is one of RSA.
CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout - -out -"

Gst.init(None)
loop = GLib.MainLoop()
role, wanted = sys.argv[1], int(sys.argv[2])
pem = subprocess.run(CERTIFICATE.split(), check=True, capture_output=True, text=True).stdout
pictures = 0


def certify(_bin, _sub_bin, element):
    if element.get_factory() and element.get_factory().get_name() == "dtlssrtpdec":
        element.set_property("pem", pem)


def stay_on_loopback():
    """libnice leaves the loopback interface out by itself; here it is the only one, whatever network there is."""
    nice = ctypes.CDLL("libnice.so.10")
    nice.nice_address_new.restype = ctypes.c_void_p
    address = ctypes.c_void_p(nice.nice_address_new())
    nice.nice_address_set_from_string(address, b"127.0.0.1")
    ice = rtc.get_property("ice-agent")
    agent = ice.get_property("agent")
    nice.nice_agent_add_local_address(ctypes.c_void_p(hash(agent)), address)
    nice.nice_address_free(address)
    return ice, agent


def described(kind, text):
    _, message = GstSdp.SDPMessage.new_from_text(text)
    return GstWebRTC.WebRTCSessionDescription.new(kind, message)


def offer_made(promise, *_):
    reply = promise.get_reply()  # The offer lives no longer than it.
    offer = reply.get_value("offer")
    rtc.emit("set-local-description", offer, Gst.Promise.new())


def gathered(*_):
    if rtc.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        return
    # webrtcbin makes its fingerprint of all there is in the PEM, the key too.
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])).digest()
    offer = rtc.get_property("local-description").sdp.as_text()
    print(json.dumps(re.sub("sha-256 [0-9A-F:]+", f"sha-256 {digest.hex(':').upper()}", offer)), flush=True)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN, answered)


def answered(*_):
    answer = described(GstWebRTC.WebRTCSDPType.ANSWER, json.loads(sys.stdin.readline()))
    rtc.emit("set-remote-description", answer, Gst.Promise.new())
    return False


def decode(_rtc, pad):
    if pad.get_direction() != Gst.PadDirection.SRC:
        return
    decoder = Gst.parse_bin_from_description(
        "rtph265depay ! h265parse ! avdec_h265 ! appsink name=sink emit-signals=true sync=false", True
    )
    decoder.get_by_name("sink").connect("new-sample", decoded)
    pipeline.add(decoder)
    decoder.sync_state_with_parent()
    pad.link(decoder.get_static_pad("sink"))


def decoded(sink):
    global pictures
    sample = sink.emit("pull-sample")
    shape = sample.get_caps().get_structure(0)
    pictures += 1
    damage = " damaged" if sample.get_buffer().has_flags(Gst.BufferFlags.CORRUPTED) else ""
    print(f"{shape.get_int('width').value}x{shape.get_int('height').value}{damage}", flush=True)
    if pictures >= wanted:
        loop.quit()
    return Gst.FlowReturn.OK


def told(_bus, message):
    if message.type == Gst.MessageType.ERROR:
        print(*message.parse_error(), file=sys.stderr)
        sys.exit(1)
    if message.type == Gst.MessageType.EOS:
        loop.quit()


if role == "read":
    pipeline = Gst.Pipeline.new("read")
    rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
    pipeline.add(rtc)
else:
    pipeline = Gst.parse_launch(
        "webrtcbin name=rtc videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=90,framerate=10/1 "
        "! x265enc speed-preset=ultrafast tune=zerolatency key-int-max=10 option-string=bframes=0 ! h265parse "
        f"! rtph265pay config-interval=-1 aggregate-mode=zero-latency ! {CAPS} ! rtc."
    )
    rtc = pipeline.get_by_name("rtc")
rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
pipeline.connect("deep-element-added", certify)
rtc.connect("pad-added", decode)
rtc.connect("notify::ice-gathering-state", gathered)
rtc.connect("on-negotiation-needed", lambda _: rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(offer_made)))
kept = stay_on_loopback()  # They do not outlive what Python has of them.
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", told)
if role == "read":
    rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(CAPS))
pipeline.set_state(Gst.State.PLAYING)
loop.run()
pipeline.set_state(Gst.State.NULL)
