import type { SourceEvent } from "../../agent/model/event.ts";

/** Keeps what a source says and what it comes to. */
export class Recorder {
  readonly events: SourceEvent[] = [];
  readonly batches: number[] = [];

  readonly sink = (events: readonly SourceEvent[]): void => {
    if (events.length === 0) throw new Error("an empty batch");
    this.events.push(...events);
    this.batches.push(events.length);
  };

  /** The events as short lines, for literal comparison. */
  get lines(): string[] {
    return this.events.map(line);
  }

  /** Forgets what was said so far. */
  clear(): void {
    this.events.length = 0;
    this.batches.length = 0;
  }

  count(kind: SourceEvent["kind"]): number {
    return this.events.filter((event) => event.kind === kind).length;
  }
}

function line(event: SourceEvent): string {
  switch (event.kind) {
    case "service":
      return `+ service ${event.service.name} ${event.service.clusterIPs.join(",")}`;
    case "slice":
      return `+ slice ${event.slice.name} ${event.slice.endpoints.map((e) => e.address).join(",")}`;
    case "node":
      return `+ node ${event.node.name}`;
    case "service-deleted":
      return `- service ${event.name}`;
    case "slice-deleted":
      return `- slice ${event.name}`;
    case "node-deleted":
      return `- node ${event.name}`;
    case "service-cidr":
      return `+ servicecidr ${event.serviceCidr.name} ${event.serviceCidr.cidrs.join(",")}`;
    case "service-cidr-deleted":
      return `- servicecidr ${event.name}`;
    case "foreign-service":
      return `+ foreignservice ${event.name} ${event.addresses.join(",")}`;
    case "foreign-service-deleted":
      return `- foreignservice ${event.name}`;
    case "synced":
      return `synced ${event.resource}`;
  }
}

/** Waits for a condition on real time, at most `seconds`. */
export async function until(condition: () => boolean, what: string, seconds = 10): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
