export function requireRoot(): void {
  if (process.getuid?.() !== 0) throw new Error("this test loads BPF programs: run it as root");
}
