import { readFile } from "node:fs/promises";
import { request } from "node:https";

/** Whether the API server on 127.0.0.1 says that it can serve; throws while it does not listen. */
export async function isReady(port: number, certificateAuthority: string): Promise<boolean> {
  const ca = await readFile(certificateAuthority);
  return await new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path: "/readyz", ca }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.setTimeout(2_000, () => asked.destroy(new Error("/readyz did not answer")));
    asked.on("error", reject).end();
  });
}
