import { expect, it } from "vitest";
import { flowStateOf, flowStates } from "../../agent/datapath/flow_state.ts";
import { sweepFlows } from "../../agent/datapath/flow_sweep.ts";
import { FlowTable } from "./flow_table.ts";

const FLAGS = Array.from({ length: 16 }, (_, n) => n);

it("the command judges every pair of flags as the programs do", async () => {
  const table = FlowTable.open();
  const flow = { client: ["198.51.100.7", 1], frontend: ["192.0.2.1", 2] } as const;
  const wrong: string[] = [];
  for (const protocol of [6, 17, 132] as const) {
    for (const request of FLAGS) {
      for (const reply of FLAGS) {
        // All timeouts are 0: whatever was seen in an earlier tick goes.
        table.put({ ...flow, protocol, backend: ["10.0.0.1", 3], request, reply, requestIdle: 5 });
        const { expired } = await sweepFlows(table.iterator);
        const [state] = flowStates.filter((each) => expired[each] > 0);
        if (state !== flowStateOf(protocol, request, reply)) {
          wrong.push(`${protocol} ${request} ${reply}: ${state}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});
