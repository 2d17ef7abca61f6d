# GPU image of this project, from requirements/cpu.txt and requirements/gpu.txt. It compiles nothing.
#   docker build -f docker/gpu.Dockerfile -t queryis:gpu .
#   docker run --gpus all --shm-size 8g --rm -it queryis:gpu
# torch's packages contain CUDA; the driver comes from the host.
FROM python:3.11-slim-bookworm

# make runs the commands of the README; the demo uses git to record its commit; Triton calls gcc.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev make \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user && install -d -o user -g user /home/user/project
USER 1000
WORKDIR /home/user/project
ENV PATH=/home/user/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

COPY --chown=user:user requirements requirements
# For another CUDA or for ROCm, for example https://download.pytorch.org/whl/cu126.
ARG TORCH_INDEX=
RUN python -m venv /home/user/env \
    && pip install --no-deps --only-binary :all: -r requirements/cpu.txt \
    && pip install --only-binary :all: -r requirements/gpu.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

COPY --chown=user:user . .
RUN pip install --no-deps --no-build-isolation -e . && bash docker/smoke_test.sh

CMD ["python", "tools/doctor.py"]
