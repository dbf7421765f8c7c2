import { until } from "../harness/until.ts";
import { answer, type FakeApiServer, status } from "../sources/apiserver.ts";
import type { Soak } from "./soak_stage.ts";

/** Something that goes wrong between the server and the agent, or with the agent. */
export interface Fault {
  readonly name: string;
  happen(scene: Soak): void | Promise<void>;
}

const resources = ["services", "endpointslices", "nodes"] as const;

function changeSome({ world, chance }: Soak): void {
  for (let left = chance.below(100); left > 0; left--) world.change();
}

/** The watches are gone and so is what they would go on from. */
function forget({ server }: Soak): void {
  server.compact();
  server.cut();
}

export const faults: readonly Fault[] = [
  { name: "nothing", happen: () => {} },
  { name: "a cut", happen: ({ server }) => server.cut() },
  {
    name: "kill -9 and a start",
    async happen(scene) {
      await scene.agent.kill();
      changeSome(scene);
      scene.agent.launch();
    },
  },
  { name: "the end of each watch", happen: ({ server }) => server.endWatches() },
  { name: "forgotten versions", happen: forget },
  {
    name: "kill -9 in the first sync",
    async happen(scene) {
      await scene.agent.kill();
      changeSome(scene);
      const { requests } = scene.server;
      const enough = requests.length + scene.chance.below(6);
      scene.agent.launch();
      await until(() => requests.length >= enough, {
        deadlineMs: 30_000,
        describe: () => `the agent to ask for something: ${scene.agent.log}`,
      });
      await scene.agent.kill();
      changeSome(scene);
      scene.agent.launch();
    },
  },
  {
    name: "half a list",
    happen(scene) {
      for (const resource of resources) {
        scene.server.handlers.push((request, response) => {
          if (request.resource !== resource || request.query.has("watch")) return false;
          return halfList(scene.server, request.resource, response);
        });
      }
      forget(scene);
    },
  },
  {
    name: "an absent server",
    async happen(scene) {
      await scene.server.close();
      changeSome(scene);
      await scene.server.listen();
    },
  },
  {
    name: "answers of 500, HTML and half an object",
    happen({ server }) {
      server.handlers.push(
        (_, response) => answer(response, 500, status(500, "InternalError", "no")),
        (_, response) => answer(response, 200, "<html><body>it's here</body></html>"),
        (_, response) => answer(response, 200, '{"type":"ADDED","object":{"metadata":{"na\n'),
        (_, response) => answer(response, 502, "<html>Bad gateway</html>"),
      );
      server.cut();
    },
  },
];

function halfList(
  server: FakeApiServer,
  resource: (typeof resources)[number],
  response: Parameters<typeof answer>[0],
): boolean {
  const items = server.objects(resource).map((object) => JSON.stringify(object));
  const half = items.slice(0, Math.ceil(items.length / 2)).join();
  response.write(`{"metadata":{"resourceVersion":"${server.version}"},"items":[${half},{"me`, () =>
    response.destroy(),
  );
  return true;
}
