import { fieldsOf, textOf } from "../parse/fields.ts";

export type FailureCode =
  /** No answer: refused, reset, unresolved, untrusted, or the configuration could not be read. */
  | "unreachable"
  /** Nothing came for longer than the API server lets pass. */
  | "stalled"
  /** The version asked for is no longer known: the list has to be made anew (HTTP 410). */
  | "gone"
  | "unauthorized"
  | "forbidden"
  /** No such resource (HTTP 404). */
  | "absent"
  /** The server asks for patience (HTTP 429 and 503). */
  | "busy"
  /** Any other refusal. */
  | "refused"
  /** The answer is not what the Kubernetes API says. */
  | "malformed";

/** A request to the API server that failed. All of them are retried. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  /** "list services", "watch endpointslices". */
  readonly operation: string;
  readonly code: FailureCode;
  readonly target: string;
  /** What the server asked to wait at least; 0 where it did not. */
  readonly retryAfterMilliseconds: number;

  constructor(
    code: FailureCode,
    operation: string,
    target: string,
    reason: string,
    more: { readonly cause?: unknown; readonly retryAfterMilliseconds?: number } = {},
  ) {
    super(`cannot ${operation}: ${reason}`, { cause: more.cause });
    this.operation = operation;
    this.code = code;
    this.target = target;
    this.retryAfterMilliseconds = more.retryAfterMilliseconds ?? 0;
  }
}

export const isStalled = (cause: unknown): boolean =>
  cause instanceof RequestFailure && cause.code === "stalled";

export const isGone = (failure: RequestFailure): boolean => failure.code === "gone";

/** The server was there, but had no use for the question: perhaps the version asked for is wrong. */
export const isVersionDoubtful = ({ code }: RequestFailure): boolean =>
  code === "refused" || code === "absent" || code === "stalled" || code === "malformed";

/** The server does not have the resource, or does not give it to this user. */
export const isWithheld = ({ code }: RequestFailure): boolean =>
  code === "absent" || code === "forbidden";

/** Credentials or addresses may have been renewed on disk since they were read. */
export const isAccessDoubtful = (failure: RequestFailure): boolean =>
  failure.code === "unauthorized" || failure.code === "unreachable";

/** The failure that a Status object or an HTTP status of the API server stands for. */
export function failureOf(
  operation: string,
  target: string,
  httpStatus: number,
  status: unknown,
  retryAfter: string | undefined,
): RequestFailure {
  const code = codeOf(httpStatus, textOf(fieldsOf(status).reason));
  const said = textOf(fieldsOf(status).message) ?? `HTTP status ${httpStatus}`;
  return new RequestFailure(code, operation, target, `${said}${remedies[code] ?? ""}`, {
    retryAfterMilliseconds: secondsOf(retryAfter) * 1000,
  });
}

function codeOf(httpStatus: number, reason: string | undefined): FailureCode {
  if (httpStatus === 410 || reason === "Expired" || reason === "Gone") return "gone";
  if (httpStatus === 401) return "unauthorized";
  if (httpStatus === 403) return "forbidden";
  if (httpStatus === 404) return "absent";
  if (httpStatus === 429 || httpStatus === 503) return "busy";
  return "refused";
}

const remedies: { readonly [code in FailureCode]?: string } = {
  unauthorized:
    "; the token or client certificate is missing, expired or of another cluster: renew it in the kubeconfig or remount the ServiceAccount token",
  forbidden:
    "; bind the agent's user or ServiceAccount to a ClusterRole that may get, list and watch services, nodes, endpointslices.discovery.k8s.io and servicecidrs.networking.k8s.io, as system:node-proxier may",
};

/** The form in seconds; the API server uses no other. At most an hour is believed. */
function secondsOf(retryAfter: string | undefined): number {
  const seconds = Number(retryAfter ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) : 0;
}
