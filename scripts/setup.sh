#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine, as root or with sudo; elsewhere it says what is missing.
set -euo pipefail

declare -A package=(
  [cc]=gcc [cmake]=cmake [nasm]=nasm [pkg-config]=pkg-config [curl]=curl
  [ffmpeg]=ffmpeg [ffprobe]=ffmpeg
  [gst-launch-1.0]=gstreamer1.0-tools [cvlc]=vlc-bin [chromium]=chromium
)
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
if ((${#missing[@]})); then
  case " ${missing[*]} " in
    *gstreamer*) missing+=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav gstreamer1.0-rtsp) ;;&
    *vlc*) missing+=(vlc-plugin-base vlc-plugin-access-extra) ;;&
    *chromium*) missing+=(fonts-dejavu-core fonts-noto-core) ;;
  esac
  if ! command -v apt-get >/dev/null; then
    echo "setup: this machine has no apt-get; install these yourself: ${missing[*]}" >&2
    exit 1
  fi
  as_root=()
  if ((EUID)); then
    command -v sudo >/dev/null || { echo "setup: run this as root or install sudo; missing: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
