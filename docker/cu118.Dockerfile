# GPU image of this project for older drivers (CUDA 11.8, spconv, full mmcv), from requirements/cu118.txt.
#   docker build -f docker/cu118.Dockerfile -t queryis:cu118 .
#   docker run --gpus all --shm-size 8g --rm -it queryis:cu118
# Ubuntu 22.04 comes with Python 3.10, which the lock file covers.

# mmcv 2.1.0 has no wheel for this torch. This stage has the CUDA compiler and compiles it.
FROM nvidia/cuda:11.8.0-devel-ubuntu22.04 AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        g++ python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements /requirements
RUN python3 -m venv /env \
    && pip install --index-url https://download.pytorch.org/whl/cu118 torch==2.7.1 \
    && pip install -c /requirements/cu118.txt numpy setuptools ninja
# Volta to Hopper. MAX_JOBS limits the total memory of the compilers.
ENV MMCV_WITH_OPS=1 FORCE_CUDA=1 MAX_JOBS=4 TORCH_CUDA_ARCH_LIST="7.0 7.5 8.0 8.6 8.9 9.0"
RUN pip wheel --no-deps --no-build-isolation --no-binary mmcv -c /requirements/cu118.txt \
        --wheel-dir /wheels mmcv

FROM nvidia/cuda:11.8.0-runtime-ubuntu22.04
# make runs the commands of the README; the demo uses git to record its commit; torch's compiler
# needs gcc.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        gcc git make python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user && install -d -o user -g user /home/user/project
USER 1000
WORKDIR /home/user/project
ENV PATH=/home/user/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY --chown=user:user requirements requirements
COPY --from=build /wheels /wheels
RUN python3 -m venv /home/user/env \
    && pip install --index-url https://download.pytorch.org/whl/cu118 torch==2.7.1 \
    && pip install --no-deps --only-binary :all: --find-links /wheels -r requirements/cu118.txt

COPY --chown=user:user . .
RUN pip install --no-deps --no-build-isolation -e . && bash docker/smoke_test.sh

CMD ["python", "tools/doctor.py"]
