# syntax=docker/dockerfile:1

# Alpine's target is musl, so the binary needs no file of the system it runs on.
FROM rust:1.95.0-alpine AS build
RUN apk add --no-cache build-base cmake perl ca-certificates-bundle
# The image's toolchain as it is: rust-toolchain.toml also names tools for developers.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin latchkey \
    && install -D target/release/latchkey /out/latchkey \
    && install -d -o 65532 -g 65532 -m 700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/latchkey /latchkey
# Where `latchkey esc serve` keeps its store: mount a volume. Nothing else is ever written.
COPY --from=build --chown=65532:65532 /out/data /data
# A number, so that Kubernetes can prove runAsNonRoot without a passwd file.
USER 65532:65532
ENTRYPOINT ["/latchkey"]
CMD ["run"]
