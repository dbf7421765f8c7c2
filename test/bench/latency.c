// SPDX-License-Identifier: Apache-2.0
/*
 * What a Service costs a connection, against the direct one, in interleaved rounds.
 *
 *   latency server CPU PORTS ADDRESS...
 *       echoes on every address, ports 9000 up to 9000 + PORTS - 1, TCP and UDP, until stdin ends.
 *   latency client CPU MODE ROUNDS OPERATIONS TARGETS_A TARGETS_B
 *       MODE is connect, crr, tcp_rr or udp_rr; TARGETS are files with an ADDRESS PORT per line. Each
 *       round runs OPERATIONS against A and against B, in alternating order, each to a random line,
 *       and prints both sides' ns per operation as "A B".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die("sched_setaffinity");
}

struct target {
	struct sockaddr_storage address;
	socklen_t length;
};

static struct target target_of(const char *text, int port)
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

/* The server: one epoll loop; the low two bits of the data tell what a descriptor is. */
enum kind { LISTENER, CONNECTION, DATAGRAM, INPUT };

static void watch(int epoll, int fd, enum kind kind)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)fd << 2 | kind };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void serve_on(int epoll, const struct target *t)
{
	int on = 1;
	int tcp = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int udp = socket(t->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(tcp, (void *)&t->address, t->length) || listen(tcp, 4096))
		die("bind tcp");
	if (bind(udp, (void *)&t->address, t->length))
		die("bind udp");
	watch(epoll, tcp, LISTENER);
	watch(epoll, udp, DATAGRAM);
}

static void accept_all(int epoll, int listener)
{
	int on = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		watch(epoll, fd, CONNECTION);
	}
}

static void echo_stream(int fd)
{
	char bytes[256];
	ssize_t n = read(fd, bytes, sizeof bytes);

	if (n > 0)
		n = write(fd, bytes, n);
	else if (n == 0 || errno != EAGAIN)
		close(fd);
}

static void echo_datagram(int fd)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof from;
	char bytes[256];
	ssize_t n;

	while ((n = recvfrom(fd, bytes, sizeof bytes, 0, (void *)&from, &length)) >= 0)
		sendto(fd, bytes, n, 0, (void *)&from, length);
}

static int server(int argc, char **argv)
{
	int epoll = epoll_create1(0);
	int ports = atoi(argv[1]);
	struct epoll_event events[64];

	pin_to(atoi(argv[0]));
	for (int i = 2; i < argc; i++)
		for (int port = 0; port < ports; port++) {
			struct target t = target_of(argv[i], 9000 + port);

			serve_on(epoll, &t);
		}
	watch(epoll, 0, INPUT);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.u64 >> 2;
			char byte;

			switch (events[i].data.u64 & 3) {
			case LISTENER:
				accept_all(epoll, fd);
				break;
			case CONNECTION:
				echo_stream(fd);
				break;
			case DATAGRAM:
				echo_datagram(fd);
				break;
			case INPUT:
				if (read(0, &byte, 1) <= 0)
					return 0;
			}
		}
	}
}

/* The client. */
struct targets {
	struct target *all;
	uint32_t count;
};

static struct targets read_targets(const char *path)
{
	struct targets t = { malloc(sizeof(struct target) * 200000), 0 };
	FILE *file = fopen(path, "r");
	char text[64];
	int port;

	if (!file)
		die(path);
	while (t.count < 200000 && fscanf(file, "%63s %d", text, &port) == 2)
		t.all[t.count++] = target_of(text, port);
	fclose(file);
	if (!t.count) {
		fprintf(stderr, "%s names no target\n", path);
		exit(2);
	}
	return t;
}

static uint32_t random_below(uint32_t bound)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) * bound >> 32;
}

static const struct target *one_of(const struct targets *t)
{
	return &t->all[random_below(t->count)];
}

static int stream_socket(const struct target *t)
{
	struct linger reset = { 1, 0 };
	int on = 1;
	int fd = socket(t->address.ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	/* A reset on close leaves no TIME_WAIT behind that would slow the later rounds down. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void request(int fd)
{
	char byte = 'x';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		die("request");
}

/* Each returns the ns that its operations took, without what is not measured. */
static uint64_t run_connect(const struct targets *targets, int operations)
{
	uint64_t total = 0;

	for (int i = 0; i < operations; i++) {
		const struct target *t = one_of(targets);
		int fd = stream_socket(t);
		uint64_t from = now_ns();

		if (connect(fd, (void *)&t->address, t->length))
			die("connect");
		total += now_ns() - from;
		close(fd);
	}
	return total;
}

static uint64_t run_crr(const struct targets *targets, int operations)
{
	uint64_t from = now_ns();

	for (int i = 0; i < operations; i++) {
		const struct target *t = one_of(targets);
		int fd = stream_socket(t);

		if (connect(fd, (void *)&t->address, t->length))
			die("connect");
		request(fd);
		close(fd);
	}
	return now_ns() - from;
}

static uint64_t run_tcp_rr(const struct targets *targets, int operations)
{
	const struct target *t = one_of(targets);
	int fd = stream_socket(t);
	uint64_t total;

	if (connect(fd, (void *)&t->address, t->length))
		die("connect");
	request(fd);
	total = now_ns();
	for (int i = 0; i < operations; i++)
		request(fd);
	total = now_ns() - total;
	close(fd);
	return total;
}

static void datagram_request(int fd, const struct target *t)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof from;
	char byte = 'x';

	if (sendto(fd, &byte, 1, 0, (void *)&t->address, t->length) != 1)
		die("sendto");
	if (recvfrom(fd, &byte, 1, 0, (void *)&from, &length) != 1)
		die("recvfrom: no answer");
	if (memcmp(&from, &t->address, t->length)) {
		fprintf(stderr, "the answer came from another address than was asked\n");
		exit(1);
	}
}

static uint64_t run_udp_rr(const struct targets *targets, int operations)
{
	const struct target *t = one_of(targets);
	struct timeval patience = { 2, 0 };
	int fd = socket(t->address.ss_family, SOCK_DGRAM, 0);
	uint64_t total;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	datagram_request(fd, t);
	total = now_ns();
	for (int i = 0; i < operations; i++)
		datagram_request(fd, t);
	total = now_ns() - total;
	close(fd);
	return total;
}

typedef uint64_t (*runner)(const struct targets *, int);

static runner runner_of(const char *mode)
{
	if (!strcmp(mode, "connect"))
		return run_connect;
	if (!strcmp(mode, "crr"))
		return run_crr;
	if (!strcmp(mode, "tcp_rr"))
		return run_tcp_rr;
	if (!strcmp(mode, "udp_rr"))
		return run_udp_rr;
	fprintf(stderr, "mode %s is none of connect, crr, tcp_rr, udp_rr\n", mode);
	exit(2);
}

/* Small turns within a round, A B B A, so that a drift of the machine falls on both alike. */
static int client(char **argv)
{
	runner run = runner_of(argv[1]);
	int rounds = atoi(argv[2]), operations = atoi(argv[3]);
	struct targets sides[2] = { read_targets(argv[4]), read_targets(argv[5]) };

	pin_to(atoi(argv[0]));
	run(&sides[0], operations);
	run(&sides[1], operations);
	for (int round = 0; round < rounds; round++) {
		uint64_t ns[2] = { 0, 0 };

		for (int turn = 0; turn < 4; turn++) {
			int side = (turn == 1 || turn == 2) ^ (round & 1);

			ns[side] += run(&sides[side], operations / 2);
		}
		printf("%.1f %.1f\n", (double)ns[0] / (operations / 2 * 2),
		       (double)ns[1] / (operations / 2 * 2));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc >= 5 && !strcmp(argv[1], "server"))
		return server(argc - 2, argv + 2);
	if (argc == 8 && !strcmp(argv[1], "client"))
		return client(argv + 2);
	fprintf(stderr, "usage: latency server CPU PORTS ADDRESS... | latency client CPU MODE ROUNDS "
			"OPERATIONS TARGETS_A TARGETS_B\n");
	return 2;
}
