import { canonicalAddress } from "../../model/ip.ts";
import type { Algorithm } from "../../model/service.ts";
import { error, type Fault, warning } from "./fault.ts";
import { type Fields, shown, textOf } from "./fields.ts";

const prefix = "sluice.dev/";
const algorithmAnnotation = "sluice.dev/algorithm";
const weightsAnnotation = "sluice.dev/weights";
const weightAnnotation = "sluice.dev/weight";

const defaultWeight = 1;
const heaviest = 100;
const noWeights: ReadonlyMap<string, number> = new Map();

/** What a Service's annotations ask of sluice; what they get wrong counts as absent. */
export function parseServiceAnnotations(
  annotations: Fields,
  faults: Fault[],
): { readonly algorithm: Algorithm; readonly weights: ReadonlyMap<string, number> } {
  reportUnknown(annotations, [algorithmAnnotation, weightsAnnotation], faults);
  return {
    algorithm: parseAlgorithm(annotations, faults),
    weights: parseWeights(annotations, faults),
  };
}

/** The weight of each endpoint of a slice, 1 where its annotations say none. */
export function parseSliceWeight(annotations: Fields, faults: Fault[]): number {
  reportUnknown(annotations, [weightAnnotation], faults);
  const text = textOf(annotations[weightAnnotation]);
  if (text === undefined) return defaultWeight;
  const weight = weightOf(text);
  if (weight !== undefined) return weight;
  const message = `${shown(text)} is not a weight; write "0" to "${heaviest}", where 0 drains`;
  faults.push(error(placeOf(weightAnnotation), message));
  return defaultWeight;
}

function parseAlgorithm(annotations: Fields, faults: Fault[]): Algorithm {
  const text = textOf(annotations[algorithmAnnotation]) ?? "random";
  if (text === "random" || text === "maglev") return text;
  const message = `${shown(text)} is not an algorithm; write random or maglev`;
  faults.push(error(placeOf(algorithmAnnotation), message));
  return "random";
}

/** "10.0.0.5=3,10.0.0.6=0": an entry that cannot be read does not take the others with it. */
function parseWeights(annotations: Fields, faults: Fault[]): ReadonlyMap<string, number> {
  const text = textOf(annotations[weightsAnnotation]);
  if (text === undefined) return noWeights;
  const weights = new Map<string, number>();
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue;
    const [host = "", number = "", ...more] = entry.split("=").map((part) => part.trim());
    const address = canonicalAddress(host);
    const weight = more.length === 0 ? weightOf(number) : undefined;
    if (address === undefined || weight === undefined) {
      const message = `holds ${shown(entry)}; write an endpoint's address and a weight from 0 to ${heaviest}, as 10.0.0.5=3`;
      faults.push(error(placeOf(weightsAnnotation), message));
    } else if (weights.has(address)) {
      const message = `gives ${address} two weights and the first counts; remove one`;
      faults.push(error(placeOf(weightsAnnotation), message));
    } else {
      weights.set(address, weight);
    }
  }
  return weights;
}

function weightOf(text: string): number | undefined {
  if (!/^\d{1,3}$/.test(text)) return undefined;
  const weight = Number(text);
  return weight <= heaviest ? weight : undefined;
}

function reportUnknown(annotations: Fields, known: readonly string[], faults: Fault[]): void {
  for (const name of Object.keys(annotations)) {
    if (!name.startsWith(prefix) || known.includes(name)) continue;
    const message = `means nothing here and is ignored; sluice reads ${known.join(" and ")}`;
    faults.push(warning(placeOf(name), message));
  }
}

const placeOf = (annotation: string) => ["metadata", "annotations", annotation] as const;
