/** An IP family as Kubernetes spells it. Families are programmed independently (KP-02). */
export type IpFamily = "IPv4" | "IPv6";

/** A transport protocol as Kubernetes spells it. */
export type Protocol = "TCP" | "UDP" | "SCTP";
