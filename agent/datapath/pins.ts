import { join } from "node:path";

/** Where the agent's maps and links are pinned, below one directory of a bpf file system. */
export interface Pins {
  readonly root: string;
  readonly maps: string;
  readonly links: string;
  map(name: string): string;
  link(program: string): string;
  /** Of a program at a device; names with dots are the kernel's own. */
  device(program: string, ifindex: number): string;
}

export function pinsAt(root: string): Pins {
  const maps = join(root, "maps");
  const links = join(root, "links");
  return {
    root,
    maps,
    links,
    map: (name) => join(maps, name),
    link: (program) => join(links, program),
    device: (program, ifindex) => join(links, `${program}-${ifindex}`),
  };
}
