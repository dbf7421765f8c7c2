import { MalformedError } from "../malformed.ts";
import { Attributes, type EncodedAttribute, stringAttribute } from "./attribute.ts";
import { MESSAGE_FLAGS, type NetlinkMessage } from "./message.ts";
import type { NetlinkSocket } from "./socket.ts";

/** A generic netlink family of this kernel; ids differ from boot to boot. */
export interface GenericFamily {
  readonly name: string;
  readonly id: number;
  readonly version: number;
  /** Numbers of its multicast groups, by name. */
  readonly groups: ReadonlyMap<string, number>;
}

export interface GenericRequest {
  readonly command: number;
  readonly version?: number;
  readonly attributes?: readonly EncodedAttribute[];
  readonly dump?: boolean;
  /** NLM_F_* beside those of a dump. */
  readonly flags?: number;
}

export interface GenericMessage {
  readonly command: number;
  readonly version: number;
  readonly attributes: Attributes;
}

const HEADER_SIZE = 4;
const CONTROL: Pick<GenericFamily, "id" | "version"> = { id: 16, version: 2 };
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
const CTRL_ATTR_MCAST_GROUPS = 7;
const CTRL_ATTR_MCAST_GRP_NAME = 1;
const CTRL_ATTR_MCAST_GRP_ID = 2;

/** @throws {BpfError} isNotFound, where the kernel has no such family (its module is absent). */
export async function resolveFamily(socket: NetlinkSocket, name: string): Promise<GenericFamily> {
  const [reply] = await genericRequest(socket, CONTROL, {
    command: CTRL_CMD_GETFAMILY,
    attributes: [stringAttribute(CTRL_ATTR_FAMILY_NAME, name)],
  });
  const id = reply?.attributes.u16(CTRL_ATTR_FAMILY_ID);
  if (reply === undefined || id === undefined) {
    throw new MalformedError("netlink", `the family ${name} has no id`);
  }
  const groups = reply.attributes.nested(CTRL_ATTR_MCAST_GROUPS)?.all ?? [];
  return {
    name,
    id,
    version: reply.attributes.u32(CTRL_ATTR_VERSION) ?? 1,
    groups: new Map(groups.map(({ payload }) => groupOf(new Attributes(payload)))),
  };
}

export async function familyId(socket: NetlinkSocket, name: string): Promise<number> {
  return (await resolveFamily(socket, name)).id;
}

function groupOf(attributes: Attributes): [string, number] {
  return [
    attributes.string(CTRL_ATTR_MCAST_GRP_NAME) ?? "",
    attributes.u32(CTRL_ATTR_MCAST_GRP_ID) ?? 0,
  ];
}

export async function genericRequest(
  socket: NetlinkSocket,
  family: Pick<GenericFamily, "id" | "version">,
  request: GenericRequest,
): Promise<GenericMessage[]> {
  const header = Uint8Array.of(request.command, request.version ?? family.version, 0, 0);
  const messages = await socket.request({
    type: family.id,
    flags: (request.flags ?? 0) | (request.dump === true ? MESSAGE_FLAGS.dump : 0),
    payload: Buffer.concat([header, ...(request.attributes ?? [])]),
  });
  return messages.map(parseGenericMessage);
}

export function parseGenericMessage({ payload }: NetlinkMessage): GenericMessage {
  const [command, version] = payload;
  if (payload.byteLength < HEADER_SIZE || command === undefined || version === undefined) {
    throw new MalformedError("netlink", "a generic message without its header");
  }
  return { command, version, attributes: new Attributes(payload.subarray(HEADER_SIZE)) };
}
