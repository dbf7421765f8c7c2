/** What stands in place of a secret. */
export const redacted = "[redacted]";

const secretName =
  /token|passw(or)?d|passphrase|secret|authorization|credential|api-?_?key|(private|client)[-_.]?key|(^|[-_.])key[-_.]?data|^bearer$/i;

/** Names that match but whose values are no secrets: paths and object names that help a reader. */
const harmlessName = /(file|path|name|expiry|expires(at)?|count)$/i;

/** Whether a field of this name holds something that must not be printed. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !harmlessName.test(name);
}

const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, redacted],
  // Base64 of "-----BEGIN", as in the data fields of a kubeconfig.
  [/LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]*/g, redacted],
  [/\beyJ[\w-]{6,}\.[\w-]+(\.[\w-]*)?/g, redacted],
  [/\b(bearer|basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${redacted}`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi, `$1${redacted}@`],
  [
    /(["']?\b[\w-]*(?:token|passw(?:or)?d|passphrase|secret|authorization|api-?_?key|(?:client|private)-?_?key(?:-?_?data)?)["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}\]]+(?=[\s,;&}\]]|$))/gi,
    `$1${redacted}`,
  ],
];

/** `text` without the secrets that can be told by their shape, or by the name before them. */
export function redactText(text: string): string {
  return secretTexts.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);
}
