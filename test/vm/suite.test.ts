import { expect, it } from "vitest";
import { parseMirror } from "./suite.ts";

const TARGETS = `http://mirror.example/debian/ bookworm Debian
http://mirror.example/debian/ bookworm-updates Debian
http://mirror.example/debian-security/ bookworm-security Debian
https://packages.example/ bookworm Example
`;

it("takes the mirror from the machine's own suite and no other vendor's repository", () => {
  expect(parseMirror(TARGETS, "bookworm")).toEqual({
    archive: "http://mirror.example/debian/",
    security: "http://mirror.example/debian-security/",
  });
});

it("says what to do when apt knows no Debian mirror", () => {
  expect(() => parseMirror("https://packages.example/ bookworm Example\n", "bookworm")).toThrow(
    "run apt-get update, or set SLUICE_DEBIAN_MIRROR",
  );
});
