// SPDX-License-Identifier: Apache-2.0
#ifndef SLUICE_TRAFFIC_H
#define SLUICE_TRAFFIC_H

#include <stdint.h>
#include <sys/socket.h>

/* Ports of the server: echoes are at FIRST_ECHO and those after it. */
#define FIRST_ECHO 9000
#define SINK 9900

/* A datagram of one byte asks the sink how many others have come since it was last asked. */
#define QUESTION_BYTES 1
/* A stream is answered with a byte for every block. */
#define BLOCK_BYTES (256 << 10)

struct target {
	struct sockaddr_storage address;
	socklen_t length;
};

struct targets {
	struct target *all;
	uint32_t count;
};

void die(const char *what);
uint64_t now_ns(void);
void pin_to(int cpu);
struct target target_of(const char *text, int port);

uint32_t random_below(uint32_t bound);
double memory_read_ns(void);

/* Reads a file that has an ADDRESS PORT per line. */
struct targets read_targets(const char *path);
/* Any of them, at random. */
const struct target *one_of(const struct targets *targets);

/* The ns that so many operations took, without what is not measured. */
typedef uint64_t (*runner)(const struct targets *targets, int operations);
uint64_t run_connect(const struct targets *targets, int operations);
uint64_t run_crr(const struct targets *targets, int operations);
uint64_t run_tcp_rr(const struct targets *targets, int operations);
uint64_t run_udp_rr(const struct targets *targets, int operations);
uint64_t run_packets(const struct targets *targets, int operations);
uint64_t run_stream(const struct targets *targets, int operations);

/* Neither returns. */
void serve_echoes(int ports, int addresses, char **address);
void serve_sinks(int addresses, char **address);
/* `side` holds a cgroup and a file of targets for each side; gives the exit code. */
int take_turns(runner run, int rounds, int operations, int sides, char **side);

#endif
