/** Why a setting could not be taken. The message is one line and says what would be right. */
export type ConfigErrorCode = "invalid-value" | "unknown-key" | "unreadable-file";

/** A setting that somebody has to mend: wrong usage, exit code 2. */
export class ConfigError extends Error {
  readonly operation = "configure";
  readonly code: ConfigErrorCode;
  /** Where it was set: a flag, an environment variable, or a key of the file. */
  readonly target: string;

  constructor(code: ConfigErrorCode, target: string, message: string, cause?: unknown) {
    super(`${target}: ${message}`, { cause });
    this.name = "ConfigError";
    this.code = code;
    this.target = target;
  }
}

export function isConfigError(error: unknown): error is ConfigError {
  return error instanceof ConfigError;
}

/** Everything that is wrong with a configuration, where that is more than one thing. */
export class InvalidConfig extends Error {
  readonly operation = "configure";
  readonly errors: readonly ConfigError[];
  /** What would have been warned of. */
  readonly warnings: readonly string[];

  constructor(errors: readonly ConfigError[], warnings: readonly string[]) {
    super(errors.map(({ message }) => message).join("; "));
    this.name = "InvalidConfig";
    this.errors = errors;
    this.warnings = warnings;
  }
}

export function isInvalidConfig(error: unknown): error is InvalidConfig {
  return error instanceof InvalidConfig;
}
