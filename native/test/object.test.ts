import { BpfError, createMap, isNotFound, openObject, VerifierError } from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { errorOf, load, objectBytes, objectPath, open, u32 } from "./support/object.ts";

describe("openObject", () => {
  it("describes maps and programs without loading them", () => {
    const object = open();
    expect(object.maps.get("endpoints")).toMatchObject({
      type: "hash",
      keySize: 4,
      valueSize: 32,
      maxEntries: 1024,
      flags: 0,
    });
    expect(object.maps.get(".rodata")).toMatchObject({ type: "array", maxEntries: 1 });
    expect(object.programs.get("redirect")).toMatchObject({
      section: "cgroup/connect4",
      type: "cgroup_sock_addr",
      attachType: "cgroup_inet4_connect",
      autoload: true,
    });
    expect(object.btf.sizeOf(object.maps.get("endpoints")!.valueType)).toBe(32);
  });

  it("takes bytes as well as a path", () => {
    const object = openObject(objectBytes("everything"), { name: "bytes" });
    expect(object.name).toBe("bytes");
    expect(object.maps.has(".rodata")).toBe(true);
    object.close();
  });

  it("says which file is not there", () => {
    const error = errorOf(() => openObject("/nowhere/x.o"));
    expect(error).toBeInstanceOf(BpfError);
    expect(error).toMatchObject({ operation: "object.open", target: "/nowhere/x.o" });
    expect(isNotFound(error)).toBe(true);
  });
});

describe("before the load", () => {
  it("sets the number of entries", () => {
    const loaded = load((object) => object.setMaxEntries("endpoints", 5000));
    expect(loaded.map("endpoints").info.maxEntries).toBe(5000);
  });

  it("sets constants and starting values by name, whatever their type", () => {
    const loaded = load((object) => {
      object.setGlobal("from_address", 0xfffffffe);
      object.setGlobal("to_port", 8080n);
      object.setGlobal("refuse", true);
      object.setGlobal("seen", Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]));
      object.setGlobal("below_zero", -2);
    });
    const constants = loaded.map(".rodata").lookup(u32(0))!;
    expect([...constants.subarray(0, 7)]).toEqual([0xfe, 0xff, 0xff, 0xff, 0x90, 0x1f, 1]);
    expect([...loaded.map(".data").lookup(u32(0))!]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...loaded.map(".bss").lookup(u32(0))!]).toEqual([0xfe, 0xff, 0xff, 0xff]);
  });

  it("refuses values that do not fit their variable", () => {
    const object = open();
    expect(() => object.setGlobal("to_port", 65536)).toThrow(
      "65536 does not fit to_port (16 bits)",
    );
    expect(() => object.setGlobal("to_port", -1)).toThrow("does not fit");
    expect(() => object.setGlobal("below_zero", 2 ** 31)).toThrow("does not fit");
    expect(() => object.setGlobal("to_port", 1.5)).toThrow("1.5 is no value for to_port");
    expect(() => object.setGlobal("to_port", new Uint8Array(3))).toThrow("has 2 bytes, not 3");
    expect(() => object.setGlobal("nothing", 1)).toThrow("no global variable is called nothing");
  });

  it("takes an existing map in place of a declared one, of another size too", () => {
    const map = createMap({ type: "hash", keySize: 4, valueSize: 32, maxEntries: 7 });
    onTestFinished(() => map.close());
    map.update(u32(1), new Uint8Array(32).fill(9));
    const loaded = load((object) => object.reuseMap("endpoints", map));
    expect(loaded.map("endpoints").info.id).toBe(map.info.id);
    expect(loaded.map("endpoints").lookup(u32(1))).toEqual(new Uint8Array(32).fill(9));
  });

  it("refuses a map of another layout", () => {
    const map = createMap({ type: "hash", keySize: 4, valueSize: 16, maxEntries: 7 });
    onTestFinished(() => map.close());
    const object = open();
    expect(() => object.reuseMap("endpoints", map)).toThrow(
      "endpoints is declared with valueSize 32, the map at hand has 16",
    );
  });

  it("leaves out programs that are not wanted", () => {
    const loaded = load((object) => object.setAutoload("observe", false));
    expect(loaded.programs.has("observe")).toBe(false);
    expect(() => loaded.program("observe")).toThrow("everything has no loaded program observe");
    expect(loaded.program("pass").info.type).toBe("sched_cls");
  });

  it("refuses names that the object does not have", () => {
    const object = open();
    expect(() => object.setMaxEntries("nothing", 1)).toThrow("everything has no map nothing");
    expect(() => object.setAutoload("nothing", true)).toThrow("everything has no program nothing");
  });
});

describe("load", () => {
  it("reports a refused program by name, with the verifier's complaint and its whole log", () => {
    const error = errorOf(() => open("refused").load()) as VerifierError & Record<string, unknown>;
    expect(error).toBeInstanceOf(VerifierError);
    expect(error.program).toBe("unbounded");
    expect(error.code).toBe("EACCES");
    expect(error.summary).toMatch(/offset is outside of the packet/);
    expect(error.message).toBe(`program.load unbounded: EACCES (${error.summary})`);
    expect(error.log.split("\n").length).toBeGreaterThan(3);
  });

  it("loads an object whose refused program is left out", () => {
    const object = open("refused");
    object.setAutoload("unbounded", false);
    const loaded = object.load();
    expect([...loaded.programs.keys()]).toEqual(["fine"]);
    loaded.close();
  });

  it("closes the object, and every later use says so", () => {
    const object = open();
    object.load().close();
    for (const use of [
      () => object.load(),
      () => object.setMaxEntries("endpoints", 1),
      () => object.setGlobal("to_port", 1),
      () => object.setAutoload("pass", true),
    ]) {
      expect(errorOf(use)).toMatchObject({ name: "BpfError", code: "EBADF" });
    }
    object.close();
    object.close();
  });

  it("gives maps and programs that close with it, twice without harm", () => {
    const loaded = openObject(objectPath("everything")).load();
    const map = loaded.map("endpoints");
    loaded.close();
    loaded.close();
    expect(errorOf(() => map.lookup(u32(1)))).toMatchObject({ code: "EBADF" });
    expect(errorOf(() => loaded.program("pass").info)).toMatchObject({ code: "EBADF" });
  });
});
