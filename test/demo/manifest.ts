/** A pod as an EndpointSlice lists it. */
export interface Backend {
  readonly name: string;
  readonly ip4: string;
  readonly ip6: string;
}

export interface ServiceText {
  readonly name: string;
  readonly clusterIPs: readonly [ip4: string, ip6: string];
}

export const servicePort = 80;
export const podPort = 8080;

/** A dual-stack Service with a TCP and a UDP port. */
export const serviceYaml = ({ name, clusterIPs: [ip4, ip6] }: ServiceText): string => `\
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: demo
spec:
  clusterIPs: ["${ip4}", "${ip6}"]
  ports:
    - {name: stream, protocol: TCP, port: ${servicePort}}
    - {name: datagram, protocol: UDP, port: ${servicePort}}
`;

/** The Service's endpoints in one family, each on a line of its own that ends with its name. */
export function sliceYaml(
  service: string,
  family: "IPv4" | "IPv6",
  backends: readonly Backend[],
): string {
  const address = ({ ip4, ip6 }: Backend) => (family === "IPv4" ? ip4 : ip6);
  const lines = backends.map((each) => `  - addresses: ["${address(each)}"] # ${each.name}\n`);
  return `\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}-${family.toLowerCase()}
  namespace: demo
  labels: {kubernetes.io/service-name: ${service}}
addressType: ${family}
ports:
  - {name: stream, protocol: TCP, port: ${podPort}}
  - {name: datagram, protocol: UDP, port: ${podPort}}
endpoints:
${lines.join("")}`;
}

/** What a person does in an editor: the lines that name the backend go. */
export const withoutBackend = (yaml: string, name: string): string =>
  yaml
    .split("\n")
    .filter((line) => !line.endsWith(`# ${name}`))
    .join("\n");
