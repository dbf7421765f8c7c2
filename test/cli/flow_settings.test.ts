import { describe, expect, it } from "vitest";
import { isConfigError } from "../../agent/config/error.ts";
import { parseDuration } from "../../agent/config/parse_duration.ts";
import { resolveConfig } from "../../agent/config/resolve.ts";
import { run } from "./fixture.ts";

const readFile = () => "tcpEstablishedTimeout: 1h\nudpTimeout: 5s\n";

describe("the timeouts of flows", () => {
  it("are set by flag, variable or file like every setting, and else not at all", () => {
    const { tcpEstablishedTimeout, tcpClosedTimeout, udpTimeout, udpStreamTimeout } = resolveConfig(
      {
        flags: { config: "/etc/sluice.yaml", udpTimeout: "10s" },
        env: { SLUICE_TCP_CLOSED_TIMEOUT: "1m" },
        readFile,
      },
    );
    expect([tcpEstablishedTimeout, tcpClosedTimeout, udpTimeout]).toEqual([3_600, 60, 10]);
    expect(udpStreamTimeout).toBeUndefined();
  });

  it("say in the help whose value they have by default", async () => {
    const { out } = await run("agent --help");
    expect(out.replace(/\s+/g, " ")).toContain(
      "--tcp-established-timeout <TIME> the same of an established TCP flow " +
        "(default: net.netfilter.nf_conntrack_tcp_timeout_established, else 24h, " +
        "env: SLUICE_TCP_ESTABLISHED_TIMEOUT)",
    );
  });

  it.each([
    ["1s", 1],
    ["30s", 30],
    ["5m", 300],
    ["24h", 86_400],
    ["1h30m", 5_400],
    ["365d", 31_536_000],
  ])("may be %s", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(["", "0s", "30", "s", "-5s", "1.5h", "1 h", "1w", "366d", "99999999999s"])(
    'may not be "%s"',
    (text) => {
      const resolve = () =>
        resolveConfig({ flags: { udpTimeout: text }, env: {}, readFile: () => "" });
      expect(resolve).toThrow(
        `--udp-timeout: ${JSON.stringify(text)} is not valid; use a time such as 30s, 5m, 24h or 1h30m, at most 365d`,
      );
      expect(resolve).toThrow(expect.toSatisfy(isConfigError));
    },
  );
});
