#!/bin/sh
# Runs the project's programs under Node 24 or newer: the one that came with the npm dependencies, else the machine's own
# when it is new enough.
#
#   sh scripts/node.sh FILE [ARGUMENT...]         runs a script
#   sh scripts/node.sh --bin NAME [ARGUMENT...]   runs the program NAME of an installed package
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
bundled="$root/node_modules/.bin/node"

if [ -x "$bundled" ] && "$bundled" --version >/dev/null 2>&1; then
  node=$bundled
  PATH="$root/node_modules/.bin:$PATH"
  export PATH
else
  node=$(command -v node || true)
  version=none
  [ -z "$node" ] || version=$("$node" --version)
  major=${version#v}
  major=${major%%.*}
  case $major in
    '' | *[!0-9]*) major=0 ;;
  esac
  if [ "$major" -lt 24 ]; then
    {
      echo "No Node 24 here: the npm dependencies brought none for $(uname -s)-$(uname -m), and the machine's own is $version."
      echo "  Run \`npm ci\` without --omit=optional, or install Node 24 or newer and try again."
    } >&2
    exit 1
  fi
fi

if [ "${1-}" = --bin ]; then
  program=$2
  shift 2
  exec "$node" "$root/node_modules/.bin/$program" "$@"
fi
exec "$node" "$@"
