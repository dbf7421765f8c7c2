/** Bytes that are not what their format promises: a truncated object, a netlink reply cut short. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
  readonly code = "EBADMSG";
  readonly format: string;

  constructor(format: "ELF" | "BTF" | "netlink", problem: string) {
    super(`malformed ${format}: ${problem}`);
    this.format = format;
  }
}
