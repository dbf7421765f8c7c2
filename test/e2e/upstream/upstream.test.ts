import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpoints } from "./endpoints.ts";
import { internalTrafficPolicy } from "./internal_traffic_policy.ts";
import { Stage } from "./stage.ts";
import { terminatingEndpoints } from "./terminating_endpoints.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

describe("Kubernetes' end-to-end tests of a service proxy", () => {
  it("meet an agent on each node", async () => {
    for (const agent of Object.values(stage.agents)) {
      expect((await agent.status()).sync.ready).toBe(true);
    }
  });

  endpoints(() => stage);
  internalTrafficPolicy(() => stage);
  terminatingEndpoints(() => stage);
});
