#!/usr/bin/env bash
# Builds the dashboard into web/dist, when anything it is made of has changed.
set -euo pipefail
cd "$(dirname "$0")/../web"
stamp=$(cat package-lock.json <(find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum)
if [ -f dist/index.html ] && [ "$(cat node_modules/.built 2>/dev/null)" = "$stamp" ]; then
  exit 0
fi
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --no-audit --no-fund
  cp package-lock.json node_modules/.installed
fi
npm run build
echo "$stamp" >node_modules/.built
