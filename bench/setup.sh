#!/bin/bash
# One virtual environment for each recorder, under $BENCH_VENVS and never in the repository.
# Needs uv. Arguments: names of environments (default: all). PYTHON chooses the interpreter.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
root=${BENCH_VENVS:?name a folder outside the repository, e.g. export BENCH_VENVS=~/.cache/spanloom-bench}
python=${PYTHON:-3.11}
app="openai>=3 langchain langgraph" # the application under observation
otel="opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"

mkdir -p "$root"
case $(cd "$root" && pwd -P)/ in
  "$checkout"/*) echo "BENCH_VENVS must lie outside $checkout" >&2; exit 2 ;;
esac

wanted=" $* "
failed=0
make() { # make NAME REQUIREMENT...
  local name=$1
  shift
  if [[ -n "${wanted// /}" && "$wanted" != *" $name "* ]]; then return; fi
  if uv venv -q --allow-existing --python "$python" "$root/$name" &&
    uv pip install -q --compile-bytecode --python "$root/$name/bin/python" "$@"; then
    echo "ok   $name"
  else
    echo "FAIL $name"
    failed=1
  fi
}

# shellcheck disable=SC2086  # $app and $otel are several requirements
make none $app
# shellcheck disable=SC2086
make floor $app msgspec
# shellcheck disable=SC2086
make ours $app -e "$checkout"
# shellcheck disable=SC2086
make openinference $app $otel openinference-instrumentation-openai \
  openinference-instrumentation-langchain
# 2.4b0 imports a module that opentelemetry-util-genai dropped after 1.1b0, and httpx, which
# openai 3 no longer brings; it asks for neither.
# shellcheck disable=SC2086
make otelv2 $app $otel opentelemetry-instrumentation-openai-v2 \
  "opentelemetry-util-genai==1.1b0" httpx
# shellcheck disable=SC2086
make otelgenai $app $otel opentelemetry-instrumentation-genai-openai
# shellcheck disable=SC2086
make langfuse $app langfuse
# shellcheck disable=SC2086
make langsmith $app langsmith
exit $failed
