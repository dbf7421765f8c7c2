// SPDX-License-Identifier: Apache-2.0
/*
 * A client without pauses: loadgen [options] tcp|udp ADDRESS PORT
 *
 * Talks to a podserver again and again, and prints {"started":...}, then one JSON line per attempt
 * (unless --summary), then one summary line. Stops after --count attempts, after --duration-ms, or
 * at SIGTERM, whichever comes first. Times are nanoseconds of CLOCK_MONOTONIC. An IPv4-mapped
 * ADDRESS is used through an IPv6 socket.
 *
 *   --count N         attempts at most (default: no limit)
 *   --duration-ms N   time at most (default: no limit)
 *   --timeout-ms N    for connect and for an answer (default 2000)
 *   --gap-us N        pause between attempts (default 0)
 *   --keep            one socket for all attempts, replaced when it fails
 *   --size N          bytes of a datagram, at most 9000 (default: those of its number)
 *   --unconnected     UDP by sendto and recvfrom on an unconnected socket
 *   --source-port N   every socket has this port (default: one of the kernel's choice)
 *   --summary         no line per attempt
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NAME_SIZE 64
#define MAX_BACKENDS 4096
#define MAX_ERRNO 256
#define MAX_SIZE 9000

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct options {
	bool tcp, keep, unconnected, summary;
	uint64_t count, duration_ns, gap_us, timeout_ms, size, source_port;
	union address target;
	socklen_t target_length;
};

struct attempt {
	uint64_t at;
	/* Until connect() returned; 0 when no connect() was needed. */
	uint64_t latency_ns;
	/* From the start of the attempt until the answer was read. */
	uint64_t answer_ns;
	int error;
	const char *phase;
	char backend[NAME_SIZE];
	char client[INET6_ADDRSTRLEN];
	unsigned int client_port;
	/* Who the client believes to talk to. */
	union address peer;
};

struct backend {
	char name[NAME_SIZE];
	uint64_t count, first_at, last_at;
};

static struct {
	uint64_t attempts, ok, failed, latency_sum, latency_max;
	uint64_t errors[MAX_ERRNO];
	struct backend backends[MAX_BACKENDS];
} totals;

static struct options options = { .count = UINT64_MAX, .duration_ns = UINT64_MAX, .timeout_ms = 2000 };
static volatile sig_atomic_t stopped;
static int kept = -1;
/* The attempt that opened the kept TCP connection: only that one is greeted. */
static struct attempt greeted;
static uint64_t sequence;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void usage(void)
{
	fprintf(stderr, "usage: loadgen [options] tcp|udp ADDRESS PORT\n");
	exit(2);
}

static void parse_target(const char *address, const char *port)
{
	union address *target = &options.target;

	if (inet_pton(AF_INET, address, &target->v4.sin_addr) == 1) {
		target->any.sa_family = AF_INET;
		options.target_length = sizeof(target->v4);
	} else if (inet_pton(AF_INET6, address, &target->v6.sin6_addr) == 1) {
		target->any.sa_family = AF_INET6;
		options.target_length = sizeof(target->v6);
	} else {
		usage();
	}
	target->v4.sin_port = htons(atoi(port));
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "count", required_argument, NULL, 'c' },	{ "duration-ms", required_argument, NULL, 'd' },
		{ "timeout-ms", required_argument, NULL, 't' }, { "gap-us", required_argument, NULL, 'g' },
		{ "keep", no_argument, NULL, 'k' },		{ "unconnected", no_argument, NULL, 'u' },
		{ "summary", no_argument, NULL, 's' },		{ "size", required_argument, NULL, 'b' },
		{ "source-port", required_argument, NULL, 'p' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'c': options.count = strtoull(optarg, NULL, 10); break;
		case 'd': options.duration_ns = strtoull(optarg, NULL, 10) * 1000000; break;
		case 't': options.timeout_ms = strtoull(optarg, NULL, 10); break;
		case 'g': options.gap_us = strtoull(optarg, NULL, 10); break;
		case 'k': options.keep = true; break;
		case 'u': options.unconnected = true; break;
		case 's': options.summary = true; break;
		case 'b': options.size = strtoull(optarg, NULL, 10); break;
		case 'p': options.source_port = strtoull(optarg, NULL, 10); break;
		default: usage();
		}
	}
	if (argc - optind != 3)
		usage();
	options.tcp = strcmp(argv[optind], "tcp") == 0;
	if (!options.tcp && strcmp(argv[optind], "udp") != 0)
		usage();
	if (options.tcp && options.unconnected)
		usage();
	if (options.size > MAX_SIZE)
		usage();
	parse_target(argv[optind + 1], argv[optind + 2]);
}

/* Notes the first failure. A timeout shows as EINPROGRESS from connect() and EAGAIN from recv(). */
static bool fail(struct attempt *attempt, const char *phase)
{
	bool timeout = errno == EINPROGRESS || errno == EAGAIN;

	attempt->error = timeout ? ETIMEDOUT : errno;
	attempt->phase = phase;
	return false;
}

/* The wildcard address and the port at which every socket of this client is to be. */
static bool bind_source_port(int fd)
{
	union address source = { .any.sa_family = options.target.any.sa_family };
	int on = 1;

	source.v4.sin_port = htons(options.source_port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, &source.any, options.target_length) == 0;
}

static int open_socket(void)
{
	struct timeval timeout = { .tv_sec = options.timeout_ms / 1000,
				   .tv_usec = options.timeout_ms % 1000 * 1000 };
	struct linger reset = { .l_onoff = 1 };
	int type = options.tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(options.target.any.sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	/* SO_SNDTIMEO bounds connect() as well. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	/* Closing by reset leaves no TIME_WAIT, which would use up the ports within a second. */
	if (options.tcp)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (options.source_port && !bind_source_port(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Splits "NAME ADDRESS PORT\n" and returns what follows it, or NULL. */
static const char *read_greeting(struct attempt *attempt, const char *text)
{
	const char *end = strchr(text, '\n');

	if (!end || sscanf(text, "%63s %45s %u", attempt->backend, attempt->client,
			   &attempt->client_port) != 3) {
		errno = EPROTO;
		return NULL;
	}
	return end + 1;
}

/* Reads one line of a stream; what the peer sends is always one line in answer to one. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t length = 0;

	while (length < size - 1) {
		ssize_t got = recv(fd, line + length, size - 1 - length, 0);

		if (got < 0)
			return false;
		if (got == 0) {
			errno = ECONNRESET;
			return false;
		}
		length += got;
		line[length] = 0;
		if (line[length - 1] == '\n')
			return true;
	}
	errno = EPROTO;
	return false;
}

static bool tcp_connect(int fd, struct attempt *attempt)
{
	char line[256];
	bool connected = connect(fd, &options.target.any, options.target_length) == 0;

	attempt->latency_ns = now() - attempt->at;
	if (!connected)
		return fail(attempt, "connect");
	if (!read_line(fd, line, sizeof(line)) || !read_greeting(attempt, line))
		return fail(attempt, "answer");
	return true;
}

static bool tcp_echo(int fd, struct attempt *attempt)
{
	char ping[32], line[256];
	int length = snprintf(ping, sizeof(ping), "%lu\n", ++sequence);

	if (send(fd, ping, length, MSG_NOSIGNAL) < 0)
		return fail(attempt, "send");
	if (!read_line(fd, line, sizeof(line)))
		return fail(attempt, "answer");
	if (strcmp(line, ping) == 0)
		return true;
	errno = EPROTO;
	return fail(attempt, "answer");
}

static bool udp_connect(int fd, struct attempt *attempt)
{
	bool connected = connect(fd, &options.target.any, options.target_length) == 0;

	attempt->latency_ns = now() - attempt->at;
	return connected || fail(attempt, "connect");
}

/* The next number, and what fills the datagram up: letters, none like its neighbours. */
static size_t number_datagram(char ping[MAX_SIZE + 1])
{
	size_t length = snprintf(ping, MAX_SIZE, "%lu", ++sequence);

	for (; length < options.size; length++)
		ping[length] = 'a' + (length + length / 26) % 26;
	ping[length] = 0;
	return length;
}

static bool udp_request(int fd, struct attempt *attempt)
{
	const union address *target = options.unconnected ? &options.target : NULL;
	static char ping[MAX_SIZE + 1], data[MAX_SIZE + 256];
	size_t length = number_datagram(ping);

	if (sendto(fd, ping, length, MSG_NOSIGNAL, &target->any,
		   target ? options.target_length : 0) < 0)
		return fail(attempt, "send");
	for (;;) {
		socklen_t peer_length = sizeof(attempt->peer);
		ssize_t size = recvfrom(fd, data, sizeof(data) - 1, 0, &attempt->peer.any, &peer_length);
		const char *payload;

		if (size < 0)
			return fail(attempt, "answer");
		data[size] = 0;
		payload = read_greeting(attempt, data);
		if (!payload)
			return fail(attempt, "answer");
		/* On a kept socket the late answer to an earlier request may come first. */
		if (strcmp(payload, ping) == 0)
			return true;
	}
}

static bool exchange(int fd, bool fresh, struct attempt *attempt)
{
	socklen_t peer_length = sizeof(attempt->peer);
	bool ok;

	if (options.tcp)
		ok = (!fresh || tcp_connect(fd, attempt)) && (!options.keep || tcp_echo(fd, attempt));
	else
		ok = (!fresh || options.unconnected || udp_connect(fd, attempt)) &&
		     udp_request(fd, attempt);
	attempt->answer_ns = now() - attempt->at;
	if (ok && !options.unconnected)
		getpeername(fd, &attempt->peer.any, &peer_length);
	return ok;
}

static void inherit_greeting(struct attempt *attempt)
{
	strcpy(attempt->backend, greeted.backend);
	strcpy(attempt->client, greeted.client);
	attempt->client_port = greeted.client_port;
}

static void try_once(struct attempt *attempt)
{
	bool fresh = kept < 0;
	bool ok;
	int fd;

	attempt->at = now();
	fd = fresh ? open_socket() : kept;
	if (fd < 0) {
		fail(attempt, "socket");
		return;
	}
	if (options.tcp && !fresh)
		inherit_greeting(attempt);
	ok = exchange(fd, fresh, attempt);
	if (ok && fresh)
		greeted = *attempt;
	if (ok && options.keep) {
		kept = fd;
	} else {
		close(fd);
		kept = -1;
	}
}

static struct backend *find_backend(const char *name)
{
	uint32_t hash = 2166136261u;

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	for (uint32_t i = 0; i < MAX_BACKENDS; i++) {
		struct backend *backend = &totals.backends[(hash + i) % MAX_BACKENDS];

		if (!backend->name[0] || strcmp(backend->name, name) == 0)
			return backend;
	}
	fprintf(stderr, "loadgen: more than %d backends\n", MAX_BACKENDS);
	exit(1);
}

static void count_attempt(const struct attempt *attempt)
{
	struct backend *backend;

	totals.attempts++;
	if (attempt->error) {
		totals.failed++;
		totals.errors[attempt->error % MAX_ERRNO]++;
		return;
	}
	totals.ok++;
	totals.latency_sum += attempt->latency_ns;
	if (attempt->latency_ns > totals.latency_max)
		totals.latency_max = attempt->latency_ns;
	backend = find_backend(attempt->backend);
	if (!backend->count++) {
		strcpy(backend->name, attempt->backend);
		backend->first_at = attempt->at;
	}
	backend->last_at = attempt->at;
}

static void print_peer(const union address *peer)
{
	char text[INET6_ADDRSTRLEN];

	if (peer->any.sa_family == AF_INET)
		printf("%s:%u", inet_ntop(AF_INET, &peer->v4.sin_addr, text, sizeof(text)),
		       ntohs(peer->v4.sin_port));
	else
		printf("[%s]:%u", inet_ntop(AF_INET6, &peer->v6.sin6_addr, text, sizeof(text)),
		       ntohs(peer->v6.sin6_port));
}

static void print_attempt(const struct attempt *attempt)
{
	printf("{\"at\":%lu,\"ok\":%s,\"latencyNs\":%lu,\"answerNs\":%lu", attempt->at,
	       attempt->error ? "false" : "true", attempt->latency_ns, attempt->answer_ns);
	if (attempt->error) {
		printf(",\"errno\":\"%s\",\"phase\":\"%s\"", strerrorname_np(attempt->error),
		       attempt->phase);
	} else {
		printf(",\"backend\":\"%s\",\"client\":\"%s\",\"clientPort\":%u,\"peer\":\"",
		       attempt->backend, attempt->client, attempt->client_port);
		print_peer(&attempt->peer);
		printf("\"");
	}
	printf("}\n");
}

static void print_summary(void)
{
	const char *comma = "";

	printf("{\"summary\":true,\"attempts\":%lu,\"ok\":%lu,\"failed\":%lu,\"latencyMeanNs\":%lu,"
	       "\"latencyMaxNs\":%lu,\"errors\":{",
	       totals.attempts, totals.ok, totals.failed,
	       totals.ok ? totals.latency_sum / totals.ok : 0, totals.latency_max);
	for (int i = 0; i < MAX_ERRNO; i++) {
		if (!totals.errors[i])
			continue;
		printf("%s\"%s\":%lu", comma, strerrorname_np(i), totals.errors[i]);
		comma = ",";
	}
	printf("},\"backends\":{");
	comma = "";
	for (int i = 0; i < MAX_BACKENDS; i++) {
		const struct backend *backend = &totals.backends[i];

		if (!backend->count)
			continue;
		printf("%s\"%s\":{\"count\":%lu,\"firstAt\":%lu,\"lastAt\":%lu}", comma, backend->name,
		       backend->count, backend->first_at, backend->last_at);
		comma = ",";
	}
	printf("}}\n");
	fflush(stdout);
}

static void load(void)
{
	struct timespec gap = { .tv_sec = options.gap_us / 1000000,
				.tv_nsec = options.gap_us % 1000000 * 1000 };
	uint64_t start = now(), flushed = start;

	printf("{\"started\":%lu}\n", start);
	fflush(stdout);
	while (!stopped && totals.attempts < options.count && now() - start < options.duration_ns) {
		struct attempt attempt = { 0 };

		try_once(&attempt);
		/* An attempt that the stopping signal cut short says nothing about the service. */
		if (stopped && attempt.error == EINTR)
			break;
		count_attempt(&attempt);
		if (!options.summary)
			print_attempt(&attempt);
		if (attempt.at - flushed > 20000000) {
			fflush(stdout);
			flushed = attempt.at;
		}
		if (options.gap_us)
			nanosleep(&gap, NULL);
	}
}

int main(int argc, char **argv)
{
	/* No SA_RESTART: the signal ends a blocking call. */
	struct sigaction action = { .sa_handler = stop };
	static char buffer[1 << 16];

	parse(argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	load();
	print_summary();
	return 0;
}
