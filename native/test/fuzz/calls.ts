// Calls everything that the addon and the package export with arguments that are mostly wrong. Runs
// in a process, and in a network namespace, of its own: see ../fuzz.test.ts.
import * as fc from "fast-check";
import * as api from "libbpf-ts";
import * as netlink from "libbpf-ts/netlink";
import { addon } from "../../addon.ts";
import { NetlinkSocket } from "../../netlink/socket.ts";
import { NetlinkSubscription } from "../../netlink/subscription.ts";
import { RingBuffer } from "../../ring_buffer.ts";
import { objectBytes } from "../support/bytes.ts";

const object = api.openObject(objectBytes("everything")).load();
const bytes = new Uint8Array(16);
const detached = new Uint8Array(8);
detached.buffer.transfer();
const closed = api.createMap({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 2 });
closed.close();
const link = api.attachIter(object.program("list_nothing"), { map: object.map("sockets") });
const native = addon.objectOpen(objectBytes("everything"), "fuzz", undefined);
const stack = api.createMap({ type: "stack", keySize: 0, valueSize: 8, maxEntries: 2 });
const handle = object.map("endpoints").handle;

// No number with which a map could take more than some megabytes.
const numbers = [-1, 0, 1, 2, 3, 4, 8, 14, 46, 4096, 0.5, Number.NaN, -(2 ** 31), 2 ** 53, 1e300];
const values: readonly unknown[] = [
  ...numbers,
  ...["", "x", "a\0b", "endpoints", "slots", "hash", "ingress", "y".repeat(5000)],
  ...[0, 1, 3, 4, 5, 8, 16, 32, 64, 4096].map((size) => new Uint8Array(size)),
  ...[undefined, null, true, false, 5n, Symbol("s"), {}, [], () => 1, () => undefined],
  ...[
    detached,
    new Uint16Array(4),
    new Uint32Array(0),
    new Uint32Array([1]),
    new DataView(bytes.buffer),
  ],
  ...[new ArrayBuffer(4), new Uint8Array(new SharedArrayBuffer(16)), new Uint32Array([4096])],
  ...[handle, closed.handle, stack.handle, link.handle, object.program("pass").handle, native],
  ...[object.program("redirect").handle, object.map("events").handle, object.map("slots").handle],
  ...[Object.create(handle), Object.create(Object.getPrototypeOf(handle)), new Proxy(handle, {})],
  ...[object.map("endpoints"), object.map("events"), object.map("slots"), closed, stack],
  ...[object.program("pass"), object.program("observe"), link, { type: "hash" }],
  ...[{ ifindex: 1, direction: "ingress", priority: 1, handle: 1 }, { data: new Uint8Array(64) }],
];

type Callable = (...values: unknown[]) => unknown;

/** Not what acts on the whole machine, or waits. */
const LEFT_OUT = ["mountBpffs", "membarrierGlobal", "rcuGracePeriod", "Poll", "constructor"];

function callables(owner: object, names: readonly string[]): [string, Callable][] {
  return names
    .filter((name) => !LEFT_OUT.includes(name))
    .map((name) => [name, (owner as Record<string, unknown>)[name]] as const)
    .filter((entry): entry is [string, Callable] => typeof entry[1] === "function")
    .map(([name, method]) => [name, (...rest) => callOrConstruct(method, owner, rest)]);
}

function callOrConstruct(method: Callable, owner: object, rest: unknown[]): unknown {
  if (/^class\b/.test(`${method}`) || method === (addon.RingBuffer as unknown)) {
    return Reflect.construct(method, rest);
  }
  return method.apply(owner, rest);
}

const methods = (owner: object) =>
  callables(
    owner,
    Object.getOwnPropertyNames(Object.getPrototypeOf(owner)).filter(
      (name) => name !== "close" && name !== "info" && name !== "memoryBytes" && name !== "stride",
    ),
  );

const all: readonly [string, Callable][] = [
  ...callables(addon, Object.keys(addon)),
  ...callables(api, Object.keys(api)),
  ...callables(netlink, Object.keys(netlink)),
  ...callables(api.probe, Object.keys(api.probe)),
  ...[object.map("endpoints"), object.map("slots"), stack, closed].flatMap(methods),
  ...[object.program("pass"), link, object, api.openObject(objectBytes("everything"))].flatMap(
    methods,
  ),
];

/** Generators do their work when they are asked for it. */
function exhaust(result: unknown): void {
  if (result instanceof Promise) result.catch(() => {});
  if (typeof result !== "object" || result === null) return;
  if ("next" in result) for (const _ of result as unknown as Iterable<unknown>);
  if (result instanceof NetlinkSocket || result instanceof NetlinkSubscription) {
    result.close();
  }
  if (result instanceof RingBuffer) result.close();
}

const seen = { calls: 0, returned: 0, refused: new Map<string, number>() };
fc.assert(
  fc.property(
    fc.constantFrom(...all),
    fc.array(fc.constantFrom(...values), { maxLength: 7 }),
    ([, call], rest) => {
      seen.calls += 1;
      try {
        exhaust(call(...rest));
        seen.returned += 1;
      } catch (error) {
        const name = error instanceof Error ? error.name : `thrown ${String(error)}`;
        seen.refused.set(name, (seen.refused.get(name) ?? 0) + 1);
      }
    },
  ),
  { numRuns: Number(process.argv[2] ?? 20_000) },
);
console.log(JSON.stringify({ ...seen, refused: Object.fromEntries(seen.refused) }));
