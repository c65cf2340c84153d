# The server and the command line, without npm, compiler or shell; docs/operate/packaging/README.md.
ARG NODE=20

FROM node:${NODE}-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Native code is compiled here, from the source in the lock file; nothing is fetched already compiled.
RUN npm_config_build_from_source=true npm ci --omit=dev --no-audit --no-fund
COPY build.mjs tsconfig.json ./
COPY migrations migrations
COPY protocols protocols
COPY src src
RUN node build.mjs && mkdir data

FROM gcr.io/distroless/nodejs${NODE}-debian12:nonroot
WORKDIR /app
COPY --from=build /build/dist ./dist
# What is not in the bundle: native code, and the script of the console.
COPY --from=build /build/node_modules/better-sqlite3/package.json ./node_modules/better-sqlite3/package.json
COPY --from=build /build/node_modules/better-sqlite3/lib ./node_modules/better-sqlite3/lib
COPY --from=build /build/node_modules/better-sqlite3/build/Release/better_sqlite3.node ./node_modules/better-sqlite3/build/Release/better_sqlite3.node
COPY --from=build /build/node_modules/bindings ./node_modules/bindings
COPY --from=build /build/node_modules/file-uri-to-path ./node_modules/file-uri-to-path
COPY --from=build /build/node_modules/@node-rs ./node_modules/@node-rs
COPY --from=build /build/node_modules/htmx.org/package.json ./node_modules/htmx.org/package.json
COPY --from=build /build/node_modules/htmx.org/dist/htmx.min.js ./node_modules/htmx.org/dist/htmx.min.js
COPY --from=build --chown=65532:65532 /build/data /data
ENV COUNTERSIGN_DATA=/data COUNTERSIGN_LISTEN=0.0.0.0 NODE_ENV=production
USER 65532:65532
VOLUME /data
EXPOSE 8443 9443 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/nodejs/bin/node", "-e", "fetch(`http://127.0.0.1:${process.env.COUNTERSIGN_HTTP_PORT || 8080}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/nodejs/bin/node", "--use-largepages=silent"]
CMD ["dist/main.js"]
