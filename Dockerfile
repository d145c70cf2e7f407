# syntax=docker/dockerfile:1
# One image with the three programs: muniment, muniment-api, muniment-worker.
#
#   docker build -t muniment .                  for any database
#   docker build -t muniment --target aws .     and with the certificates that Amazon RDS is signed by, and psql
#
# Runs as a numeric user, with a read-only root and without capabilities:
#   docker run --read-only --cap-drop ALL --user 10001:10001 muniment muniment-api --check-config

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Dependencies and what was compiled of them stay in the builder's cache, and are compiled again only when
# Cargo.lock changes. The programs leave the cache with `install`, because a cache is not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/git \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p muniment -p api -p worker --bins \
    && install -D -t /out target/release/muniment target/release/muniment-api target/release/muniment-worker \
    && strip /out/*

FROM debian:12-slim AS run
LABEL org.opencontainers.image.title="Muniment" \
      org.opencontainers.image.description="A records repository: GraphQL API and worker"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/ /usr/local/bin/
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080 9090
# No HEALTHCHECK: which port and path is healthy differs with the program, and one that runs once (`muniment-api
# migrate`) has none. docker-compose.yml and deploy/aws say it for each: /healthz of 8080 (API) and 9090 (worker).
CMD ["muniment-api"]

FROM run AS aws
USER 0:0
# psql makes the API's database user (MigrateTask of deploy/aws/service.yaml).
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
USER 10001:10001
ADD --chmod=0644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /etc/ssl/certs/rds.pem

FROM run AS muniment
