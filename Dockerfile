# The agent's image: docker build -t sluice:0.1.0 .
FROM node:24-bookworm-slim AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends clang g++ libbpf-dev libelf-dev make \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The packages change seldom: what follows does not install them again.
COPY package.json package-lock.json .npmrc ./
COPY native/package.json native/
RUN npm ci
COPY agent agent
COPY bpf bpf
COPY native native
RUN npm run build

FROM debian:bookworm-slim
# What the addon and Node are linked with, beside libc6; libelf and zlib come with libbpf.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libbpf1 libgcc-s1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
# The Node of the lock file, which is the one that everything is tested with.
COPY --from=build /src/node_modules/node-linux-*/bin/node /usr/local/bin/
COPY --from=build /src/node_modules/node-linux-*/LICENSE /opt/sluice/licences/node
COPY --from=build /src/dist /opt/sluice/dist
COPY --from=build /src/agent/bin /opt/sluice/agent/bin
COPY LICENSE package.json /opt/sluice/
RUN ln -s /opt/sluice/agent/bin/sluice.js /usr/local/bin/sluice
# As root, with the capabilities that manifests/daemonset.yaml leaves it.
ENTRYPOINT ["sluice"]
CMD ["agent"]
