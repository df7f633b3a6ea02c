#!/usr/bin/env bash
# Walks through the media part of the public interface on a running system and says pass or fail per line.
# usage: test-streaming.sh [test.mp4]     a short clip is made when none is given
# The addresses can be changed: CONTROL, METRICS, RTSP, HLS, WEBRTC (host:port).
set -uo pipefail
CONTROL=${CONTROL:-localhost:9997} METRICS=${METRICS:-localhost:9998}
RTSP=${RTSP:-localhost:8554} HLS=${HLS:-localhost:8888} WEBRTC=${WEBRTC:-localhost:8889}
work=$(mktemp -d)
publisher=
cleanup() {
  [ -z "$publisher" ] || { kill "$publisher" && wait "$publisher"; } 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
passed=0 failed=0
check() { # words, command…
  local words=$1; shift
  if "$@" >"$work/out" 2>&1; then
    printf 'pass  %s\n' "$words"; passed=$((passed + 1))
  else
    printf 'FAIL  %s\n' "$words"; sed 's/^/      /' "$work/out" | tail -n 5; failed=$((failed + 1))
  fi
}
await() { # seconds, command…   repeats until it succeeds
  local until=$((SECONDS + $1)); shift
  until "$@"; do ((SECONDS < until)) || return 1; sleep 0.2; done
}
video_frames() { # url, seconds, ffprobe options…
  local url=$1 seconds=$2; shift 2
  timeout 30 ffprobe -v error "$@" -select_streams v -show_entries packet=pts_time -read_intervals "%+$seconds" -of csv=p=0 "$url" | wc -l | awk '{exit !($1 > 5)}'
}

clip=${1:-$work/test.mp4}
[ $# -gt 0 ] || ffmpeg -v error -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine -t 10 -c:v libx264 -preset ultrafast -bf 0 -g 50 -pix_fmt yuv420p -c:a aac -y "$clip"

check "control API: configuration" curl -sf "http://$CONTROL/v3/config/get"
check "control API: paths" curl -sf "http://$CONTROL/v3/paths/list"
check "metrics" curl -sf "http://$METRICS/metrics"
ffmpeg -v error -re -stream_loop -1 -i "$clip" -c copy -f rtsp "rtsp://$RTSP/test" >"$work/publisher" 2>&1 &
publisher=$!
ready() { curl -sf "http://$CONTROL/v3/paths/get/test" | grep -q '"ready":true'; }
check "RTSP publish: the path is ready" await 15 ready
check "HLS: playlist" await 15 curl -sf "http://$HLS/test/index.m3u8"
check "HLS: pictures" video_frames "http://$HLS/test/index.m3u8" 2
check "RTSP over TCP: pictures" video_frames "rtsp://$RTSP/test" 2 -rtsp_transport tcp
check "RTSP over UDP: pictures" video_frames "rtsp://$RTSP/test" 2 -rtsp_transport udp
check "WHEP: endpoint" curl -sf -X OPTIONS "http://$WEBRTC/test/whep"
check "sessions: RTSP publisher is listed" sh -c "curl -sf http://$CONTROL/v3/rtspsessions/list | grep -q '\"state\":\"publish\"'"
kill "$publisher" && wait "$publisher" 2>/dev/null
publisher=
gone() { curl -sf "http://$CONTROL/v3/paths/get/test" | grep -q '"ready":false'; }
check "RTSP publish: the path ends with its publisher" await 15 gone
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
