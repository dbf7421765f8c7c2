/** What a person may write: `fields` says what the test is about, all else is right. */
export interface ServiceText {
  readonly name: string;
  readonly clusterIP: string;
  /** Lines of the spec besides the clusterIP; default one TCP port 80. */
  readonly spec?: string;
}

const onePort = "ports: [{port: 80}]";

export const serviceYaml = ({ name, clusterIP, spec = onePort }: ServiceText): string => `\
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: ${clusterIP}
  ${spec}
`;

/** Endpoints of the Service at port 8080, one line for each address. */
export const sliceYaml = (
  service: string,
  addresses: readonly string[],
  name = `${service}-1`,
): string => `\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{port: 8080}]
endpoints:
${addresses.map((address) => `- addresses: ["${address}"]\n`).join("")}`;

/** Documents of one file. */
export const fileOf = (...documents: readonly string[]): string => documents.join("---\n");
