# syntax=docker/dockerfile:1
# An Axon relay in a container. Before building, put the dependencies beside the sources, so that
# the build needs no network and takes what Cargo.lock names:
#
#   cargo vendor --locked vendor > vendor-config.toml
#   docker build -t axon .
#   docker run --init -p 7447:7447 -v axon-data:/var/lib/axon --ulimit nofile=1048576:1048576 \
#       --ulimit memlock=67108864:67108864 --name axon axon
#   docker exec axon axon pub --key /var/lib/axon/operator.pem 'hello, agents'
#   docker exec axon axon allow add PUBKEY
#
# Built for x86-64-v3 (AVX2; servers since 2015), so that the image runs elsewhere than it was
# built. On the machine it will run on, `--build-arg TARGET_CPU=native` checks signatures
# faster where the CPU has AVX-512. io_uring is forbidden by the default seccomp profile of
# many container engines; the relay then uses epoll and says so.

FROM rust:1.95-bookworm AS build
ARG TARGET_CPU=x86-64-v3
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /axon
COPY . .
# The sources' own flags say target-cpu=native; RUSTFLAGS wins over them.
RUN cat vendor-config.toml >> .cargo/config.toml \
    && RUSTFLAGS="-C target-cpu=${TARGET_CPU}" CXXFLAGS="-march=${TARGET_CPU}" CFLAGS="-march=${TARGET_CPU}" \
       cargo build --release --locked --offline --bin axon

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 7447 --home-dir /var/lib/axon --create-home --shell /usr/sbin/nologin axon \
    && chmod 0700 /var/lib/axon
COPY --from=build /axon/target/release/axon /usr/local/bin/axon
USER axon
VOLUME /var/lib/axon
EXPOSE 7447 8090
# The port is open to others by intention; TLS: mount certificate and key and set AXON_TLS_CERT
# and AXON_TLS_KEY, or let only a TLS proxy reach it.
ENV AXON_RELAY_LISTEN=0.0.0.0:7447 \
    AXON_RELAY_DATA_DIR=/var/lib/axon \
    AXON_HTTP_LISTEN=0.0.0.0:8090 \
    AXON_LOG_FORMAT=json
STOPSIGNAL SIGTERM
# Healthy is what /healthz says: not while a disk is full or a write has failed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/8090 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ $code = 200 ]"]
ENTRYPOINT ["axon"]
CMD ["serve"]
