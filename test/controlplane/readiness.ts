import { readFile } from "node:fs/promises";
import { request } from "node:https";

/** Whether a component on 127.0.0.1 answers 200 at the path; throws while it does not listen. */
export async function answersOk(
  port: number,
  path: "/readyz" | "/healthz",
  certificateAuthority: string,
): Promise<boolean> {
  const ca = await readFile(certificateAuthority);
  return await new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, ca }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.setTimeout(2_000, () => asked.destroy(new Error(`${path} did not answer`)));
    asked.on("error", reject).end();
  });
}
