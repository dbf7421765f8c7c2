/** Whether a name is one of the patterns, in which * stands for any characters and ? for one. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matches(name, pattern));
}

function matches(name: string, pattern: string): boolean {
  const source = [...pattern].map((character) => {
    if (character === "*") return ".*";
    return character === "?" ? "." : character.replace(/[\\^$.*+?()[\]{}|]/, "\\$&");
  });
  return new RegExp(`^${source.join("")}$`, "s").test(name);
}
