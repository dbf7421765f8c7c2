// SPDX-License-Identifier: Apache-2.0
/*
 * What a Service costs a connection, side by side with the direct one, in interleaved turns.
 *
 *   latency server CPU PORTS ADDRESS...
 *       echoes on every address, ports 9000 up to 9000 + PORTS - 1, TCP and UDP, until it is killed.
 *   latency client CPU MODE ROUNDS OPERATIONS CGROUP TARGETS [CGROUP TARGETS]...
 *       MODE is connect, crr, tcp_rr or udp_rr. Each pair is a side: a process of its own in that
 *       cgroup, and a file with an ADDRESS PORT per line. In each round every side has two turns of
 *       OPERATIONS / 2, each to a random line (rr: one a turn), in an order that is the same forwards
 *       and backwards; the line printed has each side's ns per operation.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
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
enum kind { LISTENER, CONNECTION, DATAGRAM };

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

static void server(int argc, char **argv)
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
	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.u64 >> 2;

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

/* A side is a process of its own: sockets belong to the cgroup in which they are made. */
struct side {
	pid_t pid;
	int go, result;
};

static void join_cgroup(const char *path)
{
	char file[512];
	FILE *procs;

	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	procs = fopen(file, "w");
	if (!procs || fprintf(procs, "0\n") < 0 || fclose(procs))
		die(file);
}

static void serve_turns(runner run, int operations, const struct targets *targets, int go, int result)
{
	char byte;

	run(targets, operations);
	while (read(go, &byte, 1) == 1) {
		uint64_t ns = run(targets, operations);

		if (write(result, &ns, sizeof ns) != sizeof ns)
			die("write");
	}
	exit(0);
}

static struct side start_side(runner run, int operations, const char *cgroup, const char *targets)
{
	int go[2], result[2];
	struct side side;

	if (pipe(go) || pipe(result))
		die("pipe");
	side.pid = fork();
	if (side.pid < 0)
		die("fork");
	if (side.pid == 0) {
		struct targets t = read_targets(targets);

		close(go[1]);
		close(result[0]);
		join_cgroup(cgroup);
		serve_turns(run, operations, &t, go[0], result[1]);
	}
	close(go[0]);
	close(result[1]);
	side.go = go[1];
	side.result = result[0];
	return side;
}

static uint64_t turn_of(const struct side *side)
{
	uint64_t ns;

	if (write(side->go, "x", 1) != 1 || read(side->result, &ns, sizeof ns) != sizeof ns) {
		fprintf(stderr, "a side ended early\n");
		exit(1);
	}
	return ns;
}

/* Forwards and backwards, from another side on each time: a drift of the machine falls on all alike. */
static void run_round(const struct side *sides, int count, int round, uint64_t *ns)
{
	for (int turn = 0; turn < 2 * count; turn++) {
		int place = turn < count ? turn : 2 * count - 1 - turn;
		int side = (place + round) % count;

		ns[side] += turn_of(&sides[side]);
	}
}

#define MAX_SIDES 8

static int client(int argc, char **argv)
{
	runner run = runner_of(argv[1]);
	int rounds = atoi(argv[2]), half = atoi(argv[3]) / 2;
	struct side sides[MAX_SIDES];
	int count = (argc - 4) / 2;

	if (count > MAX_SIDES || half < 1) {
		fprintf(stderr, "at most %d sides, at least 2 operations\n", MAX_SIDES);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	pin_to(atoi(argv[0]));
	for (int i = 0; i < count; i++)
		sides[i] = start_side(run, half, argv[4 + 2 * i], argv[5 + 2 * i]);
	for (int round = -2; round < rounds; round++) {
		uint64_t ns[MAX_SIDES] = { 0 };

		run_round(sides, count, round + 2, ns);
		for (int i = 0; round >= 0 && i < count; i++)
			printf("%.1f%c", (double)ns[i] / (2 * half), i + 1 < count ? ' ' : '\n');
	}
	for (int i = 0; i < count; i++) {
		/* Later sides hold copies of the pipes of earlier ones: closing them would not be seen. */
		kill(sides[i].pid, SIGTERM);
		waitpid(sides[i].pid, NULL, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc >= 5 && !strcmp(argv[1], "server"))
		server(argc - 2, argv + 2);
	if (argc >= 8 && argc % 2 == 0 && !strcmp(argv[1], "client"))
		return client(argc - 2, argv + 2);
	fprintf(stderr, "usage: latency server CPU PORTS ADDRESS... | latency client CPU MODE ROUNDS "
			"OPERATIONS CGROUP TARGETS...\n");
	return 2;
}
