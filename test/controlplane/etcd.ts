/** The two calls to etcd that tests need, through its JSON gateway. */
export class EtcdClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async isHealthy(): Promise<boolean> {
    const response = await fetch(`${this.#url}/health`);
    return response.ok;
  }

  async #call<Reply>(path: string, body: object): Promise<Reply> {
    const response = await fetch(`${this.#url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`etcd ${path} failed (${response.status}): ${text}`);
    return JSON.parse(text) as Reply;
  }

  /** The store's revision: Kubernetes' resourceVersion of the latest write. */
  async revision(): Promise<string> {
    const key = Buffer.from("/").toString("base64");
    const reply = await this.#call<{ header: { revision: string } }>("kv/range", { key });
    return reply.header.revision;
  }

  /** Forgets what was before the revision; resolves once nobody can read it any more. */
  async compact(revision: string): Promise<void> {
    await this.#call("kv/compaction", { revision, physical: true });
  }
}
