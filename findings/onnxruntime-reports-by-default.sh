#!/usr/bin/env bash
# ONNX Runtime reports by default, and keeps an id of the machine in the home folder.
#
# Versions: onnxruntime 1.32.0 (wheel from PyPI, Linux x86_64), numpy 2.4.6, Python 3.11.
# Behaviour: `import onnxruntime`, without any session, writes a device id and a database of events into
#   ~/.cache/Microsoft/DeveloperTools/.onnxruntime. There is no question first. With ORT_DISABLE_TELEMETRY=1 set before the
#   import nothing is written; onnxruntime.disable_telemetry_events() comes too late for that.
# Output seen:
#   by default: deviceid onnxruntime.db
#   disable_telemetry_events() after the import: deviceid onnxruntime.db
#   ORT_DISABLE_TELEMETRY=1: nothing
# Exits with 1 if this is no longer so.
set -euo pipefail
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 numpy==2.4.6

# written NAME CODE [VARIABLE=VALUE...]: names of the files that the code leaves in an empty home folder.
written() {
  local home="$scratch/$1" code="$2"
  shift 2
  mkdir "$home"
  env -u XDG_CACHE_HOME -u ORT_DISABLE_TELEMETRY HOME="$home" "$@" "$scratch/venv/bin/python" -c "$code"
  find "$home" -type f \( -name deviceid -o -name onnxruntime.db \) -printf '%f\n' | sort | xargs
}

default="$(written default 'import onnxruntime')"
late="$(written late 'import onnxruntime; onnxruntime.disable_telemetry_events()')"
off="$(written off 'import onnxruntime' ORT_DISABLE_TELEMETRY=1)"
echo "by default: ${default:-nothing}"
echo "disable_telemetry_events() after the import: ${late:-nothing}"
echo "ORT_DISABLE_TELEMETRY=1: ${off:-nothing}"
[[ "$default" == "deviceid onnxruntime.db" && "$late" == "$default" && -z "$off" ]]
