export {
  Attributes,
  be16Attribute,
  be32Attribute,
  bytesAttribute,
  type EncodedAttribute,
  nestedAttribute,
  stringAttribute,
  u8Attribute,
  u16Attribute,
  u32Attribute,
  u64Attribute,
} from "./netlink/attribute.ts";
export {
  familyId,
  type GenericFamily,
  type GenericMessage,
  type GenericRequest,
  genericRequest,
  parseGenericMessage,
  resolveFamily,
} from "./netlink/generic.ts";
export {
  encodeMessage,
  MESSAGE_FLAGS,
  MESSAGE_TYPES,
  type NetlinkMessage,
  parseMessages,
} from "./netlink/message.ts";
export {
  destroySocket,
  encodeInetDiagRequest,
  listSockets,
  type SocketDescription,
  type SocketId,
} from "./netlink/sock_diag.ts";
export {
  type NetlinkProtocol,
  type NetlinkRequest,
  type NetlinkSocket,
  type OpenNetlinkOptions,
  openNetlink,
} from "./netlink/socket.ts";
export {
  type NetlinkSubscription,
  type SubscriptionOptions,
  subscribeNetlink,
} from "./netlink/subscription.ts";
