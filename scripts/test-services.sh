#!/usr/bin/env bash
# Asks every service of a running system whether it is well and says pass or fail per line.
# The addresses can be changed: WEB, CONTROL, METRICS, HLS, WEBRTC (host:port).
set -uo pipefail
WEB=${WEB:-localhost:8000} CONTROL=${CONTROL:-localhost:9997} METRICS=${METRICS:-localhost:9998}
HLS=${HLS:-localhost:8888} WEBRTC=${WEBRTC:-localhost:8889}
passed=0 failed=0
check() { # words, command…
  local words=$1; shift
  if "$@" >/dev/null 2>&1; then
    printf 'pass  %s\n' "$words"; passed=$((passed + 1))
  else
    printf 'FAIL  %s\n' "$words"; failed=$((failed + 1))
  fi
}
check "dashboard" curl -sf "http://$WEB/"
check "dashboard: health" curl -sf "http://$WEB/health"
check "application API: cameras" curl -sf "http://$WEB/api/v1/cameras"
check "application API: description" curl -sf "http://$WEB/api/v1/openapi.json"
check "control API: health" curl -sf "http://$CONTROL/health"
check "control API: configuration" curl -sf "http://$CONTROL/v3/config/get"
check "control API: paths" curl -sf "http://$CONTROL/v3/paths/list"
check "metrics: health" curl -sf "http://$METRICS/health"
check "metrics" curl -sf "http://$METRICS/metrics"
check "HLS: health" curl -sf "http://$HLS/health"
check "WebRTC: health" curl -sf "http://$WEBRTC/health"
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
