import { readFile } from "node:fs/promises";
import { cpio, type Entry } from "./cpio.ts";
import type { KernelFiles } from "./kernels.ts";
import { moduleClosure } from "./modules.ts";

/** What the root needs to be mounted, then what the datapath and its tests meet. */
const WANTED = [
  ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"],
  ["ipv6", "veth", "dummy", "sch_ingress", "cls_bpf"],
  ["inet_diag", "tcp_diag", "udp_diag"],
  ["sctp"],
].flat();

const INIT = `#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
for module in $($busybox cat /modules/order); do
  $busybox insmod /modules/$module.ko || echo "module $module was refused"
done
$busybox mount -t ext4 /dev/vda /newroot || echo "no root"
$busybox mount -o move /dev /newroot/dev
exec $busybox switch_root /newroot /init
`;

/** The kernel's first root: a static busybox and its modules, loaded before the real root is. */
export const buildInitrd = async (kernel: KernelFiles): Promise<Buffer> => {
  const modules = await moduleClosure(kernel.modules, WANTED);
  const order = modules.map((module) => module.name).join("\n");
  return cpio([
    ...["bin", "dev", "modules", "newroot"].map(folder),
    file("bin/busybox", 0o755, await readBusybox()),
    file("init", 0o755, Buffer.from(INIT)),
    file("modules/order", 0o644, Buffer.from(order)),
    ...modules.map((module) => file(`modules/${module.name}.ko`, 0o644, module.content)),
  ]);
};

const readBusybox = async (): Promise<Buffer> => {
  const content = await readFile("/bin/busybox");
  if (content.includes("/lib64/ld-linux"))
    throw new Error("/bin/busybox needs shared libraries: install the package busybox-static");
  return content;
};

const folder = (path: string): Entry => ({ path, mode: 0o755 });
const file = (path: string, mode: number, content: Buffer): Entry => ({ path, mode, content });
