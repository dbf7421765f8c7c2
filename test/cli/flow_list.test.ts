import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { flows } from "../serve/fixture.ts";
import { run } from "./fixture.ts";

const nothing = async () => ({ flows: [], matched: 0 });

describe("sluice flow list", () => {
  it("says which client got which backend, how it was chosen and how the packets go", async () => {
    const { code, out, err } = await run("flow list");
    expect([code, err]).toEqual([0, ""]);
    const [titles, first, second] = out.split("\n").map((line) => line.split(/ {3,}/));
    expect(titles).toEqual([
      "PROTOCOL",
      "CLIENT",
      "FRONTEND",
      "SERVICE",
      "CHOICE",
      "BACKEND",
      "SEEN AS",
      "STATE",
      "IDLE",
      "TO BACKEND",
      "TO CLIENT",
    ]);
    expect(first).toEqual([
      "TCP",
      "198.51.100.7:40001",
      "192.0.2.1:30080",
      "shop/web:http",
      "maglev, affinity 3h",
      "10.1.1.9:8080",
      "10.0.0.1:61001",
      "established",
      "3s",
      "neighbour eth1",
      "peer veth7",
    ]);
    expect(second?.filter((cell) => cell !== "")).toEqual([
      "UDP",
      "[2001:db8::7]:40002",
      "[2001:db8:1::1]:53",
      "<gone>",
      "[fd00:10:244::5]:5353",
      "unreplied",
      "1m15s",
      "stack",
      "<evicted>",
    ]);
  });

  it("prints them as JSON and YAML", async () => {
    expect(JSON.parse((await run("flow list -o json")).out)).toEqual(flows);
    expect(parse((await run("flow list -o yaml")).out)).toEqual(flows);
  });

  it("reads the pinned maps, whether or not an agent runs", async () => {
    const { calls } = await run("flow list --pin-path /pins");
    expect(calls).toEqual(['list flows /pins {"limit":100}']);
  });

  it("asks for those of a Service, a client, a backend, and no more than so many", async () => {
    const { calls } = await run(
      "flow list --service shop/web --client 2001:DB8::0:7 --backend 10.1.1.9 --limit 5",
    );
    const query = {
      service: { namespace: "shop", name: "web" },
      client: "2001:db8::7",
      backend: "10.1.1.9",
      limit: 5,
    };
    expect(calls).toEqual([`list flows /sys/fs/bpf/sluice ${JSON.stringify(query)}`]);
  });

  it("says how many there are where it shows fewer", async () => {
    const listFlows = async () => ({ flows, matched: 70_000 });
    expect(await run("flow list", { listFlows })).toMatchObject({
      code: 0,
      err: "note: the latest 2 of 70000 flows; --limit shows more\n",
    });
  });

  it("says that there are none", async () => {
    const listFlows = nothing;
    expect(await run("flow list", { listFlows })).toMatchObject({
      code: 0,
      out: "",
      err: "no flows\n",
    });
    expect(await run("flow list -o json", { listFlows })).toMatchObject({ code: 0, out: "[]\n" });
  });

  it("says what keeps the maps from being read, and fails", async () => {
    const listFlows = async () => {
      throw new Error("nothing is pinned at /pins");
    };
    expect(await run("flow list", { listFlows })).toMatchObject({
      code: 1,
      err: "error: the flows cannot be read: nothing is pinned at /pins\n",
    });
  });

  it.each([
    ["--service web", '"web" names no Service; use --service NAMESPACE/NAME'],
    ["--client 10.0.0.300", '"10.0.0.300" is no IP address; use --client IP'],
    ["--backend 10.0.0.0/8", '"10.0.0.0/8" is no IP address; use --backend IP'],
    ["--limit 0", '"0" is no number from 1 to 1000000; use --limit N'],
    ["--limit 1000001", '"1000001" is no number from 1 to 1000000; use --limit N'],
    ["--limit ten", '"ten" is no number from 1 to 1000000; use --limit N'],
  ])("refuses %s", async (flags, message) => {
    expect(await run(`flow list ${flags}`)).toMatchObject({
      code: 2,
      out: "",
      err: `error: ${message}\n`,
      calls: [],
    });
  });
});
