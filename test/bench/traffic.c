// SPDX-License-Identifier: Apache-2.0
/*
 * What a Service costs its traffic, side by side with what has none, in interleaved turns.
 *
 *   traffic echo CPU PORTS ADDRESS...
 *       echoes on every address at ports 9000 up to 9000 + PORTS - 1, TCP and UDP, until it is killed.
 *   traffic sink CPU ADDRESS...
 *       likewise takes what comes at port 9900.
 *   traffic memory CPU
 *       prints the ns that a random read of 24 MB takes.
 *   traffic client CPU MODE ROUNDS OPERATIONS CGROUP TARGETS [CGROUP TARGETS]...
 *       MODE is connect, crr, tcp_rr, udp_rr, packets (datagrams of 18 bytes one way) or stream
 *       (blocks of 256 KB one way), the last two to the sink. Each pair is a side: a process of its
 *       own in that cgroup ("" where it does not matter), and a file with an ADDRESS PORT per line.
 *       In each round every side has two turns of OPERATIONS / 2, each to a random line (one a turn
 *       where the socket is kept), in an order that is the same forwards and backwards; the line
 *       printed has each side's ns per operation.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "traffic.h"

void die(const char *what)
{
	perror(what);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die("sched_setaffinity");
}

struct target target_of(const char *text, int port)
{
	struct target t = { .length = sizeof(struct sockaddr_in) };
	struct sockaddr_in *v4 = (void *)&t.address;
	struct sockaddr_in6 *v6 = (void *)&t.address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		t.length = sizeof *v6;
	} else {
		fprintf(stderr, "not an address: %s\n", text);
		exit(2);
	}
	return t;
}

static const struct {
	const char *name;
	runner run;
} modes[] = {
	{ "connect", run_connect }, { "crr", run_crr },         { "tcp_rr", run_tcp_rr },
	{ "udp_rr", run_udp_rr },   { "packets", run_packets }, { "stream", run_stream },
};

static runner runner_of(const char *mode)
{
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(mode, modes[i].name))
			return modes[i].run;
	fprintf(stderr, "there is no mode %s\n", mode);
	exit(2);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &files);
	/* Where that is allowed: what others do meanwhile would be charged to the path. */
	setpriority(PRIO_PROCESS, 0, -20);
	if (argc >= 3)
		pin_to(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "memory"))
		return printf("%.0f\n", memory_read_ns()) < 0;
	if (argc >= 5 && !strcmp(argv[1], "echo"))
		serve_echoes(atoi(argv[3]), argc - 4, argv + 4);
	if (argc >= 4 && !strcmp(argv[1], "sink"))
		serve_sinks(argc - 3, argv + 3);
	if (argc >= 8 && argc % 2 == 0 && !strcmp(argv[1], "client"))
		return take_turns(runner_of(argv[3]), atoi(argv[4]), atoi(argv[5]), (argc - 6) / 2,
				  argv + 6);
	fprintf(stderr, "usage: traffic echo CPU PORTS ADDRESS... | traffic sink CPU ADDRESS... | "
			"traffic memory CPU | traffic client CPU MODE ROUNDS OPERATIONS CGROUP TARGETS...\n");
	return 2;
}
