import { attachCgroup, BpfLink, BpfMap } from "libbpf-ts";
import { answerAtVip, withBackend } from "./backend.ts";
import { loadFor, u32 } from "./object.ts";

const CGROUP = "/sys/fs/cgroup";
const PINS = "/sys/fs/bpf";

/** What a client of an address without a route meets, with a link and when it has been closed. */
export const connectRewritten = () =>
  withBackend(async (port) => {
    using loaded = loadFor(port);
    const link = attachCgroup(loaded.program("redirect"), CGROUP, "cgroup_inet4_connect");
    const { kind, attachType } = link.info;
    const attached = await answerAtVip();
    link.close();
    return { kind, attachType, attached, closed: await answerAtVip() };
  });

/** Another program in the same link, and the first one again. */
export const updatedLink = () =>
  withBackend(async (port) => {
    using loaded = loadFor(port);
    using link = attachCgroup(loaded.program("redirect"), CGROUP, "cgroup_inet4_connect");
    const { id } = link.info;
    link.update(loaded.program("refuse_all"));
    const refused = await answerAtVip();
    link.update(loaded.program("redirect"));
    return { refused, redirected: await answerAtVip(), sameLink: link.info.id === id };
  });

/** The link and a map, all their handles closed, opened again by their pins. */
export const pinnedLink = () =>
  withBackend(async (port) => {
    {
      using loaded = loadFor(port);
      using link = attachCgroup(loaded.program("redirect"), CGROUP, "cgroup_inet4_connect");
      loaded
        .map("counters")
        .update(u32(0), new Uint8Array(loaded.map("counters").valueBytes).fill(7));
      loaded.map("counters").pin(`${PINS}/counters`);
      link.pin(`${PINS}/link`);
    }
    const pinned = await answerAtVip();
    using map = BpfMap.openPinned(`${PINS}/counters`);
    using link = BpfLink.openPinned(`${PINS}/link`);
    const { kind } = link.info;
    link.unpin();
    link.detach();
    return { pinned, kind, counter: map.lookup(u32(0))?.[0], detached: await answerAtVip() };
  });
