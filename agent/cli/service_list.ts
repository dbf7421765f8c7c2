import type { ServiceReport } from "../datapath/report.ts";
import { type CommandInput, done } from "./command.ts";
import { render } from "./output.ts";
import { frontendText, portText, readServices } from "./services.ts";
import { table } from "./table.ts";

/** `sluice service list`: one row for each Service port and IP family. */
export async function serviceList(
  input: CommandInput,
  namespace: string | undefined,
): Promise<number> {
  const { services: all, note } = await readServices(input);
  if (note !== undefined) input.env.stderr.write(note);
  const shown = namespace === undefined ? all : all.filter((it) => it.namespace === namespace);
  if (shown.length === 0) {
    input.env.stderr.write(`no services${namespace === undefined ? "" : ` in ${namespace}`}\n`);
  }
  if (shown.length > 0 || input.output !== "table") {
    input.env.stdout.write(render(input.output, shown, listTable));
  }
  return done;
}

function listTable(services: readonly ServiceReport[]): string {
  const titles = ["NAMESPACE", "NAME", "PORT", "FAMILY", "FRONTENDS", "ENDPOINTS", "CONNECTIONS"];
  return table([...titles, "DATAGRAMS", "REFUSED", "DENIED"], services.map(row));
}

function row(service: ServiceReport): readonly string[] {
  const { connections, datagrams, refused, denied } = service.stats;
  return [
    service.namespace,
    service.name,
    portText(service),
    service.family,
    service.frontends.map(frontendText).join(", ") || "<none>",
    `${(service.internalLocal ? service.local : service.cluster).length}`,
    `${connections}`,
    `${datagrams}`,
    `${refused}`,
    `${denied}`,
  ];
}
