import { table } from "../../agent/cli/table.ts";

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(table(head, rows));
}
