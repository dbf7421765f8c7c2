/** What stands in place of a secret. */
export const redacted = "[redacted]";

const secretWord =
  "token|passw(?:or)?d|passphrase|secret|authorization|credential|api-?_?key|(?:private|client)[-_.]?key";

const secretName = new RegExp(`${secretWord}|(?:^|[-_.])key[-_.]?data|^bearer$`, "i");

/** Names that match but whose values are no secrets: paths and names that help a reader. */
const harmlessName = /(file|path|name|expiry|expires(at)?|count)$/i;

/** Whether a field of this name holds something that must not be printed. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !harmlessName.test(name);
}

/** What follows a secret's name: a quoted text, even one that was cut off, or a word. */
const value = `(?:"(?:[^"\\\\]|\\\\.)*(?:"|$)|'[^']*(?:'|$)|[^\\s,;&}\\]]+)`;

const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, redacted],
  // Base64 of "-----BEGIN", as in the data fields of a kubeconfig.
  [/LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]*/g, redacted],
  // A JSON Web Token.
  [/\beyJ[\w-]{6,}\.[\w-]+(\.[\w-]*)?/g, redacted],
  [/\b(bearer|basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${redacted}`],
  // The user and password of a URL.
  [/(:\/\/)[^/\s@]+@/g, `$1${redacted}@`],
  [
    new RegExp(`([\\w-]*(?:${secretWord})(?:[-_]?data)?(?:\\\\*["'])?\\s*[:=]\\s*)${value}`, "gi"),
    `$1${redacted}`,
  ],
  [new RegExp(`(--[\\w-]*(?:${secretWord})\\s+)${value}`, "gi"), `$1${redacted}`],
];

const longest = 4096;

/**
 * `text` without the secrets that can be told by their shape or by the name before them, and without
 * what it has more than 4096 characters.
 */
export function redactText(text: string): string {
  const cut = text.slice(0, longest);
  const rest = text.length > longest ? ` [${text.length - longest} more]` : "";
  return secretTexts.reduce((all, [pattern, instead]) => all.replace(pattern, instead), cut) + rest;
}
