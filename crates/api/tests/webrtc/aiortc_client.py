"""Publishes a test picture and a tone by WHIP, or counts the frames of a WHEP endpoint.

usage: aiortc_client.py publish URL | read URL SECONDS; publishing ends when standard input does
"""

import asyncio
import json
import sys
import urllib.request

import aioice.ice
import av
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

# Loopback is where the server of the test is.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Picture(VideoStreamTrack):
    """A grey that changes from frame to frame."""

    count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 180, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([self.count % 200 + 16]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        self.count += 1
        return frame


def post(url, offer):
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(request) as response:
        return response.read().decode(), urllib.request.urljoin(url, response.headers["Location"])


def delete(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as response:
        return response.status


async def connect(peer, url):
    await peer.setLocalDescription(await peer.createOffer())
    answer, session = await asyncio.to_thread(post, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return session


def prefer_h264(transceiver):
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in ("video/H264", "video/rtx")])


async def publish(url):
    peer = RTCPeerConnection()
    peer.addTrack(Picture())
    peer.addTrack(AudioStreamTrack())
    prefer_h264(peer.getTransceivers()[0])
    session = await connect(peer, url)
    await asyncio.to_thread(sys.stdin.read)
    # Before the server says goodbye.
    state = peer.connectionState
    status = await asyncio.to_thread(delete, session)
    await peer.close()
    return {"state": state, "deleted": status}


async def read(url, seconds="5"):
    peer = RTCPeerConnection()
    seen = {"frames": 0, "width": 0}

    @peer.on("track")
    def on_track(track):
        async def count():
            while True:
                frame = await track.recv()
                seen["frames"] += 1
                seen["width"] = frame.width

        if track.kind == "video":
            seen["task"] = asyncio.ensure_future(count())

    prefer_h264(peer.addTransceiver("video", direction="recvonly"))
    session = await connect(peer, url)
    await asyncio.sleep(float(seconds))
    seen.pop("task").cancel()
    seen["deleted"] = await asyncio.to_thread(delete, session)
    await peer.close()
    return seen


print(json.dumps(asyncio.run({"publish": publish, "read": read}[sys.argv[1]](*sys.argv[2:]))))
