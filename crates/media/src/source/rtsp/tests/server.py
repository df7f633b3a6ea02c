"""A camera for tests: GStreamer's RTSP server with a test picture. Prints its port once it listens."""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

PICTURE = "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=15/1 ! "
VIDEO = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max=15 ! rtph264pay name=pay0 pt=96",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max=15 ! rtph265pay name=pay0 pt=96",
}
AUDIO = {
    "none": "",
    "aac": " audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! rtpmp4gpay name=pay1 pt=97",
    "pcma": " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
    "opus": " audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1 pt=97",
}

Gst.init(None)
port, video, audio, password = sys.argv[1:5]
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( " + PICTURE + VIDEO[video] + AUDIO[audio] + " )")
factory.set_shared(True)
if password == "no-tcp":
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
elif password:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_digest("user", password, token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.new_from_string("user,media.factory.access=true,media.factory.construct=true")
    )
server.get_mount_points().add_factory("/cam", factory)
if server.attach(None) == 0:
    sys.exit("cannot listen on port " + port)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
