#!/usr/bin/env bash
# `import openvino` starts a process that reports to its makers, before a program can ask it not to.
#
# Versions: openvino 2026.4.1, openvino-telemetry 2025.2.0 (a dependency of it), numpy 2.4.6, Python 3.11, Linux x86_64.
# Behaviour: the import writes an id and a usage count into ~/intel, and a child process looks up www.google-analytics.com to
#   send an event. The opt-out command of the package sends an event itself. The import is silent with CI=true, or where
#   openvino_telemetry cannot be imported. (This script stops the look-up, so nothing is sent.)
# Output seen:
#   by default: looks up www.google-analytics.com; writes openvino_ga_cid stats
#   CI=true: looks up nothing; writes nothing
#   openvino_telemetry masked: looks up nothing; writes nothing
# Exits with 1 if this is no longer so.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6
cat > "$scratch/sitecustomize.py" <<'PYTHON'
import os
import sys


def stop(event, arguments):
    if event == "socket.getaddrinfo":
        with open(os.environ["LOOKED_UP"], "a") as log:
            print(arguments[0], file=log)
        raise OSError("stopped")


sys.addaudithook(stop)
PYTHON

# seen NAME CODE [VARIABLE=VALUE...]: what the code looks up, and the names of the files it leaves in an empty home folder.
seen() {
  local home="$scratch/$1" log="$scratch/$1.log" code="$2" looked_up files
  shift 2
  mkdir "$home"
  touch "$log"
  env -u CI HOME="$home" PYTHONPATH="$scratch" LOOKED_UP="$log" "$@" "$scratch/venv/bin/python" -c "$code"
  looked_up="$(sort -u "$log" | xargs)"
  files="$(find "$home" -type f -printf '%f\n' | sort | xargs)"
  echo "looks up ${looked_up:-nothing}; writes ${files:-nothing}"
}

default="$(seen default 'import openvino')"
ci="$(seen ci 'import openvino' CI=true)"
masked="$(seen masked 'import sys; sys.modules["openvino_telemetry"] = None; import openvino')"
echo "by default: $default"
echo "CI=true: $ci"
echo "openvino_telemetry masked: $masked"
silent="looks up nothing; writes nothing"
[[ "$default" == "looks up www.google-analytics.com; writes openvino_ga_cid stats" && "$ci" == "$silent" && "$masked" == "$silent" ]]
