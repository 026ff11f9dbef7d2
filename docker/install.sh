#!/bin/sh
# The last step of every image build: installs and compiles the program, and makes the folders for mounts.
set -eu

cd /opt/fastavatar
# numba stores the time of a kernel's source; one fixed time lets all builds share a cache.
find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-build-isolation -e .
python -m compileall -q fastavatar
NUMBA_CACHE_DIR=/opt/fastavatar/numba fastavatar warmup
chmod -R a+rX . # so that any --user can read it

getent passwd 1000 >/dev/null || useradd --uid 1000 --no-create-home --shell /usr/sbin/nologin fastavatar
mkdir -p /workspace /cache
chmod 1777 /workspace /cache # for any --user, where nothing is mounted
