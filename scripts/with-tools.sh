#!/usr/bin/env bash
# Runs a command with the tools that setup.sh found or installed on the PATH.
set -euo pipefail
PATH="$HOME/.cargo/bin:$PATH"
exec "$@"
