/** For what came in time to be read, by a process that was held up past it. */
const GRACE_MS = 100;

/** A time by which something has to have happened. */
export class Deadline {
  readonly #passed: Promise<undefined>;
  #timer: NodeJS.Timeout;

  constructor(milliseconds: number) {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#passed = promise;
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(() => resolve(undefined), GRACE_MS).unref();
    }, milliseconds).unref();
  }

  /** What it resolves with by then; undefined: nothing. */
  within<T>(what: Promise<T>): Promise<T | undefined> {
    return Promise.race([what, this.#passed]);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
