/** A time by which something has to have happened. */
export class Deadline {
  readonly #passed: Promise<undefined>;
  readonly #timer: NodeJS.Timeout;

  /**
   * Timers run before what has come meanwhile is read: where the process was held up, that is read
   * first all the same.
   */
  constructor(milliseconds: number) {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#passed = promise;
    this.#timer = setTimeout(() => setImmediate(resolve, undefined), milliseconds).unref();
  }

  /** What it resolves with by then; undefined: nothing. */
  within<T>(what: Promise<T>): Promise<T | undefined> {
    return Promise.race([what, this.#passed]);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
