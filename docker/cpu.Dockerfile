# CPU image of this project, from requirements/cpu.txt and requirements/torch-cpu.txt.
#   docker build -f docker/cpu.Dockerfile -t queryis:cpu .
FROM python:3.11-slim-bookworm

# make runs the commands of the README; the demo uses git to record its commit.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 user && install -d -o user -g user /home/user/project
USER 1000
WORKDIR /home/user/project
ENV PATH=/home/user/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY --chown=user:user requirements requirements
# https://download.pytorch.org/whl/cpu has builds without CUDA; leave it empty for pip's own index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /home/user/env \
    && pip install --no-deps --only-binary :all: -r requirements/cpu.txt \
    && pip install --only-binary :all: -r requirements/torch-cpu.txt \
        ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}

COPY --chown=user:user . .
RUN pip install --no-deps --no-build-isolation -e . && bash docker/smoke_test.sh

CMD ["python", "tools/doctor.py"]
