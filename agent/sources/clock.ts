/** Time as the sources see it; tests hand in one that they turn themselves. */
export interface Clock {
  /** Milliseconds since 1970; it never goes back. */
  now(): number;
  /** Calls back once after `delayMilliseconds`, unless the returned function is called first. */
  setTimeout(callback: () => void, delayMilliseconds: number): () => void;
  /** Calls back again and again, until the returned function is called. */
  every(callback: () => void, periodMilliseconds: number): () => void;
}

/** Not moved by who sets the node's clock: set back, a silent API server would seem just heard of. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  setTimeout: (callback, delayMilliseconds) => {
    const timer = setTimeout(callback, delayMilliseconds);
    return () => clearTimeout(timer);
  },
  every: (callback, periodMilliseconds) => {
    const timer = setInterval(callback, periodMilliseconds);
    return () => clearInterval(timer);
  },
};

/** Resolves after the delay, or at once when the signal fires. Never rejects. */
export function delay(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.setTimeout(finish, milliseconds);
    signal.addEventListener("abort", finish);
  });
}
