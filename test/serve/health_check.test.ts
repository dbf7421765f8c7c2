import { describe, expect, it } from "vitest";
import { healthCheckAnswer } from "../../agent/serve/health_check.ts";

const web = { namespace: "default", name: "web" };

describe("the answer to a load balancer", () => {
  it("is kube-proxy's, byte for byte (KP-40)", () => {
    expect(healthCheckAnswer(web, 2, true)).toEqual({
      status: 200,
      headers: {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": 2,
        "Content-Length": 114,
      },
      body:
        '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n' +
        '\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}',
    });
  });

  it.each([
    [200, 1, true],
    [200, 250, true],
    [503, 0, true],
    [503, 1, false],
    [503, 0, false],
  ])("has status %d with %d local endpoints while healthy is %s (KP-40)", (...row) => {
    const [status, localEndpoints, healthy] = row;
    const answer = healthCheckAnswer(web, localEndpoints, healthy);
    expect(answer.status).toBe(status);
    expect(answer.headers["X-Load-Balancing-Endpoint-Weight"]).toBe(localEndpoints);
    expect(JSON.parse(answer.body)).toEqual({
      service: { namespace: "default", name: "web" },
      localEndpoints,
      serviceProxyHealthy: healthy,
    });
  });
});
