/** When things run, and what time it is. Tests hand in one that they turn themselves. */
export interface Scheduler {
  /** Calls back once, after what the event loop has to do first. */
  soon(callback: () => void): void;
  /** Calls back once after the delay, unless the returned function is called first. */
  after(delayMilliseconds: number, callback: () => void): () => void;
  /** Milliseconds since 1970, with as many fractional digits as the clock has. */
  now(): number;
}

export const systemScheduler: Scheduler = {
  soon: (callback) => {
    setImmediate(callback);
  },
  after: (delayMilliseconds, callback) => {
    const timer = setTimeout(callback, delayMilliseconds);
    return () => clearTimeout(timer);
  },
  now: () => performance.timeOrigin + performance.now(),
};
