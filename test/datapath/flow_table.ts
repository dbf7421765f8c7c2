import { attachIter, type BpfLink, type LoadedObject, openObject } from "libbpf-ts";
import { onTestFinished } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { SettingsArray } from "../../bpf/build/layout.ts";
import { FlowEntries } from "./flow_entries.ts";

/** The shipped iterator over a table of its own; nothing is pinned. */
export class FlowTable extends FlowEntries {
  readonly object: LoadedObject;
  readonly iterator: BpfLink;
  readonly settings: SettingsArray;

  /** A table of that many entries, two for each flow, that is closed with the test. */
  static open(entries = 4096): FlowTable {
    const object = load(entries);
    const table = new FlowTable(object);
    onTestFinished(() => {
      table.iterator.close();
      object.close();
    });
    return table;
  }

  constructor(object: LoadedObject) {
    super(object.map("flows"));
    this.object = object;
    this.settings = new SettingsArray(object.map("settings").mmap());
    this.iterator = attachIter(object.program("sluice_expired_flows"), { map: this.map });
  }
}

function load(entries: number): LoadedObject {
  const object = openObject(bpfObjectPath("tc"));
  for (const name of object.programs.keys()) {
    object.setAutoload(name, name === "sluice_expired_flows");
  }
  for (const [name, { maxEntries }] of object.maps) {
    if (name === "flows") object.setMaxEntries(name, entries);
    else if (maxEntries > 64) object.setMaxEntries(name, 64);
  }
  return object.load();
}
