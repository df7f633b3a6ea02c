#!/usr/bin/env bash
# Runs a command with the tools that setup.sh found or installed on the PATH.
set -euo pipefail
export PATH="$HOME/.cargo/bin:${XDG_CACHE_HOME:-$HOME/.cache}/cctv/tools/bin:$PATH"
exec "$@"
