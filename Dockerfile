# One image with the gateway and the four services; its command says which of them it is.
#
#   docker build -t backstop .
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/backstop .
#
# Both bases can be taken from a mirror or made by hand: nothing here needs a package manager. They have to
# agree on the C library, and the second needs only that, libgcc and the certificates of the web.
ARG BUILD_IMAGE=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
# `compiled` here, or `prebuilt` outside: then binaries and an empty `state/evidence` lie in target/image.
ARG BINARIES=compiled

# The manifests, and what they name, empty. Docker compares what comes out of a stage by content, so that the
# dependencies below are built again when a manifest or the lock file changes, and not when code does.
# hadolint ignore=DL3029
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' ! -path '*/benches/*.rs' -delete \
    && find . -type d -empty -delete \
    && for manifest in */Cargo.toml */*/Cargo.toml */*/*/Cargo.toml; do \
        source=$(dirname "$manifest")/src; \
        mkdir -p "$source" && : >"$source/lib.rs" && echo 'fn main() {}' >"$source/main.rs" || exit 1; \
    done \
    && cp gateway/src/main.rs proto/build.rs \
    && find . -path '*/benches/*.rs' -exec cp gateway/src/main.rs {} \;

# On the machine's own architecture for either one: emulated, a compiler would take hours.
# hadolint ignore=DL3029
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS compiled
# Writes into every program which crates it is made of, for whoever has nothing but the image.
RUN cargo install --locked cargo-auditable@0.7.7
ARG TARGETARCH
# Cargo reads it above the sources. A linker and a standard library for the other architecture are fetched
# where the base has none.
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 package=x86-64 ;; \
        arm64) machine=aarch64 package=aarch64 ;; \
        *) echo "not made for $TARGETARCH" >&2; exit 1 ;; \
    esac \
    && target=$machine-unknown-linux-gnu linker=$machine-linux-gnu-gcc \
    && mkdir /.cargo \
    && printf '[build]\ntarget = "%s"\n[target.%s]\nlinker = "%s"\n' "$target" "$target" "$linker" \
        >/.cargo/config.toml \
    && if ! command -v "$linker" >/dev/null; then \
        apt-get update && apt-get install -y --no-install-recommends \
            "gcc-$package-linux-gnu" "libc6-dev-$TARGETARCH-cross" \
            && rm -rf /var/lib/apt/lists/* || exit 1; \
    fi \
    && if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then rustup target add "$target"; fi
WORKDIR /src
COPY --from=manifests /src .
# Without names of functions: a fifth of the size, and a panic tells its place all the same.
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
# Every member of the workspace is an empty crate: what is built now is what all of it depends on.
RUN cargo auditable build --release --locked \
        -p households -p workflow -p comparison -p measures -p gateway
COPY . .
# Cargo goes by age, and the sources may be older than the empty crates.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo auditable build --release --locked \
        -p households -p workflow -p comparison -p measures -p gateway \
    && mkdir -p /out/bin /out/state/evidence \
    && for program in households workflow comparison measures gateway; do \
        cp target/*/release/"$program" /out/bin/ || exit 1; \
    done

FROM scratch AS prebuilt
COPY target/image/ /out/

FROM ${BINARIES} AS binaries

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Backstop" \
      org.opencontainers.image.description="Monitoring and assistance of a county's rural households: gateway and services" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=binaries /out/bin/ /usr/local/bin/
# The only folder that is written to, and only by workflow: a volume takes over its owner.
COPY --from=binaries --chown=65532:65532 /out/state/ /var/lib/backstop/
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080 50051 9464
# Whoever runs another command than the gateway names that one's own: `households health`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["gateway", "health"]
CMD ["gateway"]
