#!/bin/sh
# The entry point of a container: runs `python predict.py …`, a program such as `python` or `sh`, or a
# fastavatar command.
set -eu

home=/opt/fastavatar

case ${1-} in
  fastavatar) shift ;;
esac
case "${1-} ${2-}" in
  "python predict.py" | "python3 predict.py" | "python ./predict.py" | "python3 ./predict.py")
    shift 2
    set -- predict "$@" # the image's own program, even if a folder with another one is mounted
    ;;
  "python "* | "python3 "* | "sh "* | "bash "*) exec "$@" ;;
esac

# The example photo comes with the image; a file of that name in the mounted folder takes precedence.
for word; do
  shift
  case ${word#--image=} in
    data/example.png | ./data/example.png | /workspace/data/example.png)
      [ -e "${word#--image=}" ] || word="${word%"${word#--image=}"}$home/data/example.png"
      ;;
  esac
  set -- "$@" "$word"
done

# The renderer was compiled when the image was built. It is copied into the cache, where a renderer compiled for
# another kind of CPU is kept beside it. If the cache cannot be written, the image's own is used.
if [ -z "${NUMBA_CACHE_DIR-}" ]; then
  if mkdir -p "$FASTAVATAR_CACHE/numba" 2>/dev/null && [ -w "$FASTAVATAR_CACHE/numba" ]; then
    for kernels in "$home"/numba/*; do
      kept=$FASTAVATAR_CACHE/numba/${kernels##*/}
      [ ! -e "$kept" ] || continue
      fresh=$(mktemp -d "$FASTAVATAR_CACHE/numba/.fresh-XXXXXX")
      cp -R "$kernels/." "$fresh"
      mv -T "$fresh" "$kept" 2>/dev/null || rm -rf "$fresh" # another container was first
    done
  else
    export NUMBA_CACHE_DIR="$home/numba"
  fi
fi

if [ "$FASTAVATAR_IMAGE" = cuda ] && [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
  echo "no GPU in this container, so the CPU is used; docker run --gpus all adds one" >&2
fi

case ${1-} in
  "" | -* | serve | weights) ;;
  *) [ -w . ] || echo "user $(id -u) cannot write to $PWD; use docker run --user $(stat -c %u:%g .)" >&2 ;;
esac

exec fastavatar "$@"
