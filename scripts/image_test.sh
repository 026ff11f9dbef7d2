#!/usr/bin/env bash
# Build an image and check what docs/docker.md says about it. Needs docker, podman or buildah (the last as root).
#
#   IMAGE_TARGET  which image: cpu or cuda (cpu)
#   IMAGE         its name (fastavatar, or fastavatar:cuda)
#   IMAGE_ENGINE  docker, podman or buildah (the first that works)
#   BUILDAH       how buildah is called (`buildah`), such as `buildah --storage-driver vfs`
#   IMAGE_BUILD   the command that builds it (`docker build --target $IMAGE_TARGET --tag $IMAGE .`); `true` builds nothing
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE_TARGET=${IMAGE_TARGET:-cpu}
case $IMAGE_TARGET in
  cpu) IMAGE=${IMAGE:-fastavatar} ;;
  cuda) IMAGE=${IMAGE:-fastavatar:cuda} ;;
  *) echo "IMAGE_TARGET is cpu or cuda, not $IMAGE_TARGET" >&2 && exit 2 ;;
esac
read -ra buildah <<<"${BUILDAH:-buildah}"

works() {
  case $1 in
    buildah) command -v buildah >/dev/null && [ "$(id -u)" = 0 ] ;;
    *) "$1" info >/dev/null 2>&1 ;;
  esac
}

if [ -z "${IMAGE_ENGINE-}" ]; then
  for engine in docker podman buildah; do
    if works "$engine"; then IMAGE_ENGINE=$engine && break; fi
  done
fi
if [ -z "${IMAGE_ENGINE-}" ]; then
  echo "skipped: no docker, podman or buildah works here"
  exit 0
fi

echo "building with $IMAGE_ENGINE"
${IMAGE_BUILD:-$IMAGE_ENGINE build --target "$IMAGE_TARGET" --tag "$IMAGE" .}

scratch=$(mktemp -d)
container=
clean_up() {
  [ -z "$container" ] || "${buildah[@]}" rm "$container" >/dev/null
  rm -rf "$scratch"
}
trap clean_up EXIT

if [ "$IMAGE_ENGINE" = buildah ]; then
  container=$("${buildah[@]}" from --pull-never "$IMAGE")
  root=$("${buildah[@]}" mount "$container")
  of_config() { "${buildah[@]}" inspect --format "{{range .OCIv1.Config.$1}}{{println .}}{{end}}" "$container" | sed '/^$/d'; }
  mapfile -t entrypoint < <(of_config Entrypoint)
  mapfile -t default < <(of_config Cmd)
fi

# in_image [OPTION …] -- [ARG …]: does what `docker run` does with these options. buildah has no --read-only, but can
# mount every folder of the image over itself, read-only.
in_image() {
  local options=() option
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  if [ "$IMAGE_ENGINE" != buildah ]; then
    "$IMAGE_ENGINE" run --rm "${options[@]}" "$IMAGE" "$@"
    return
  fi
  local translated=()
  for option in "${options[@]}"; do
    case $option in
      --read-only) for folder in usr opt etc var home root; do translated+=("--volume=$root/$folder:/$folder:ro"); done ;;
      --tmpfs=*) translated+=("--mount=type=tmpfs,destination=${option#--tmpfs=}") ;;
      *) translated+=("$option") ;;
    esac
  done
  [ $# -gt 0 ] || set -- "${default[@]}"
  "${buildah[@]}" run "${translated[@]}" "$container" -- "${entrypoint[@]}" "$@"
}

passed=0
# expect CODE TEXT COMMAND …: fails unless the command exits with CODE and prints TEXT. An empty TEXT allows any output.
expect() {
  local code=$1 text=$2 found=0
  shift 2
  "$@" >"$scratch/log" 2>&1 || found=$?
  if [ "$found" != "$code" ] || { [ -n "$text" ] && ! grep --quiet --fixed-strings -- "$text" "$scratch/log"; }; then
    echo "FAILED: $*"
    echo "  expected exit code $code, saying: $text; got exit code $found and:"
    sed 's/^/  | /' "$scratch/log"
    exit 1
  fi
  passed=$((passed + 1))
  local shown=" $*"
  echo "ok:${shown##* -- }"
}

# compiled_nothing: fails if the last command compiled the renderer, which was compiled when the image was built.
compiled_nothing() {
  ! grep --quiet compiling "$scratch/log" || { sed 's/^/FAILED: /' "$scratch/log" && exit 1; }
}

# fresh NAME: makes a folder to mount, owned by a user that the image does not know, and prints its path.
fresh() {
  mkdir -p "$scratch/$1"
  if [ "$(id -u)" = 0 ]; then chown "$caller" "$scratch/$1"; fi
  echo "$scratch/$1"
}
if [ "$(id -u)" = 0 ]; then caller=1234:1234; else caller=$(id -u):$(id -g); fi
chmod 755 "$scratch"
workspace=$(fresh workspace)
cache=$(fresh cache)
user=("--user=$caller")
mounted=("${user[@]}" "--volume=$workspace:/workspace" "--volume=$cache:/cache")

made_by_caller() {
  local file
  for file in splats.ply preview.png summary.json; do
    [ -s "$workspace/$1/$file" ] || { echo "$1/$file is missing" && return 1; }
    [ "$(stat -c %u:%g "$workspace/$1/$file")" = "$caller" ] || { echo "$1/$file is not owned by $caller" && return 1; }
  done
  echo "$1 is complete"
}

say() { echo "- $*"; }

say "help, who runs, what is inside"
expect 0 "Commands" in_image --
expect 0 "--image" in_image -- predict --help
expect 0 "uid 1000" in_image -- python -c 'import os; print("uid", os.getuid())'
expect 0 "every module imports" in_image -- python -c 'import importlib, pkgutil, fastavatar
for module in pkgutil.walk_packages(fastavatar.__path__, "fastavatar."):
  if not module.name.endswith(".__main__"):
    found = importlib.import_module(module.name)
    for name in getattr(found, "__all__", []):
      getattr(found, name)
print("every module imports")'
expect 1 "No module named 'pytest'" in_image -- python -c 'import pytest'
expect 0 "NOTICE" in_image -- sh -c 'cd /opt/fastavatar && ls LICENSE NOTICE'
expect 1 "" in_image -- sh -c 'find /opt /cache -size +20M -name "*.pth" -o -name "*.safetensors" -o -name "w600k*" | grep .'

if [ "$IMAGE_TARGET" = cuda ]; then
  say "the GPU renderer is compiled; without a GPU it says so and uses the CPU"
  expect 0 "compiled" in_image -- python -c 'from gsplat import csrc; print("compiled")'
  expect 0 "no GPU in this container, so the CPU is used" in_image -- predict --image data/example.png --output_dir /tmp/cpu
fi

say "nothing mounted"
expect 0 "Gaussians in results" in_image -- predict --image data/example.png
compiled_nothing

say "the example photo, in each way of calling"
expect 0 "Gaussians in one" in_image "${mounted[@]}" -- predict --image data/example.png --output_dir one
compiled_nothing
expect 0 "one is complete" made_by_caller one
expect 0 "Gaussians in two" in_image "${mounted[@]}" -- python predict.py --image data/example.png --output_dir two
expect 0 "two is complete" made_by_caller two
expect 7 "one" in_image "${mounted[@]}" -- predict --image data/example.png --output_dir one

say "a page to open in a browser, without Node.js in the image"
expect 0 "Gaussians in page" in_image "${mounted[@]}" -- predict --image data/example.png --output_dir page --viewer
expect 0 "page is complete" made_by_caller page
expect 0 "data:application/octet-stream;base64," head --bytes 100000 "$workspace/page/head.html"
expect 0 "Gaussians in page/again.html" in_image "${mounted[@]}" -- convert page/splats.ply page/again.html
expect 0 "no Node.js" in_image -- sh -c 'command -v node || command -v npm || echo "no Node.js"'

say "the cache that is documented is the one that is written, and is read again"
expect 0 "composite" find "$cache/numba" -name '*.nbi'
expect 0 "/cache/" in_image "${mounted[@]}" -- weights path
expect 5 "/cache/" in_image "${mounted[@]}" -- weights check

say "mounted files go first"
mkdir -p "$workspace/photos" "$workspace/data"
cp data/example.png "$workspace/photos/me.png"
expect 0 "Gaussians in three" in_image "${mounted[@]}" -- predict --image photos/me.png --output_dir three
expect 0 "three is complete" made_by_caller three
expect 4 "missing.jpg" in_image "${mounted[@]}" -- predict --image missing.jpg
echo "not a photo" >"$workspace/data/example.png"
expect 4 "data/example.png" in_image "${mounted[@]}" -- predict --image data/example.png --output_dir four
rm -r "$workspace/data"

say "a folder of another user"
expect 1 "--user $caller" in_image --user=4321:4321 "--volume=$workspace:/workspace" -- predict --image data/example.png

say "read-only root file system, without and with a cache"
sealed=(--read-only --tmpfs=/tmp "${user[@]}" "--volume=$workspace:/workspace")
expect 1 "Read-only file system" in_image --read-only --tmpfs=/tmp --user=0:0 -- sh -c 'touch /opt/fastavatar/made'
expect 0 "Gaussians in five" in_image "${sealed[@]}" -- predict --image data/example.png --output_dir five
compiled_nothing
expect 0 "five is complete" made_by_caller five
expect 0 "Gaussians in six" in_image "${sealed[@]}" "--volume=$cache:/cache" -- predict --image data/example.png --output_dir six
compiled_nothing
expect 0 "six is complete" made_by_caller six

say "a server for others asks for a token"
expect 2 "set a secret with --token" in_image -- serve --host 0.0.0.0
expect 0 "" in_image -- python -IS /opt/fastavatar/docker/healthcheck.py /proc/1/cmdline

say "a server is healthy once it answers"
# shellcheck disable=SC2016  # for the shell in the image
expect 0 "healthy after" in_image "${sealed[@]}" -- sh -c \
  'tini -s -- /opt/fastavatar/docker/entrypoint.sh serve --port 7861 &
  for second in $(seq 60); do
    python -IS /opt/fastavatar/docker/healthcheck.py /proc/$!/cmdline && echo "healthy after $second s" && break
    sleep 1
  done
  kill $!; wait $! || true'
expect 0 "not without one" in_image "${sealed[@]}" -- sh -c \
  'printf "tini\0-s\0--\0/entrypoint.sh\0serve\0--port\0007862\0" >/tmp/command_line
  python -IS /opt/fastavatar/docker/healthcheck.py /tmp/command_line || echo "not without one"'

say "a signal stops it at once"
# shellcheck disable=SC2016  # for the shell in the image
expect 143 "" in_image "${mounted[@]}" -- sh -c \
  'tini -s -- /opt/fastavatar/docker/entrypoint.sh predict --image data/example.png --output_dir seven & sleep 2; kill $!; wait $!'

echo "passed: $passed checks"
