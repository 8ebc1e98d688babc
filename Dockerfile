# The first stage holds what `make env` needs beforehand, and is what development containers start from, in the clone.
# The second holds the project and its environment: docker build --tag repsim-revisited .
FROM python:3.11-slim-bookworm AS base
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --shell /bin/bash reader && install --directory --owner reader /repsim-revisited
USER reader

FROM base AS repsim-revisited
WORKDIR /repsim-revisited
COPY --chown=reader:reader . .
RUN PIP_NO_CACHE_DIR=1 make env
CMD ["make", "help"]
