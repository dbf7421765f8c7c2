import { join } from "node:path";
import { program } from "../harness/programs.ts";
import { command } from "./command.ts";
import { buildReportImage, type ReportImage } from "./report.ts";

const root = join(import.meta.dirname, "../..");

/** A root image with the agent as it ships and the guest's side of these tests. */
export const buildDatapathImage = async (): Promise<ReportImage> => {
  await command(process.execPath, [join(root, "agent/bundle.ts")]);
  return await buildReportImage("/sluice/test/vm/guest/main.ts", {
    "/sluice/test/vm/guest": join(root, "test/vm/guest"),
    "/sluice/test/harness/until.ts": join(root, "test/harness/until.ts"),
    "/sluice/dist": join(root, "dist"),
    "/sluice/bin/sctp": await program("sctp"),
    "/sbin/ethtool": "/sbin/ethtool",
  });
};
