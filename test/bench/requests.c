// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traffic.h"

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

uint64_t run_connect(const struct targets *targets, int operations)
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

uint64_t run_crr(const struct targets *targets, int operations)
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

uint64_t run_tcp_rr(const struct targets *targets, int operations)
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

uint64_t run_udp_rr(const struct targets *targets, int operations)
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
