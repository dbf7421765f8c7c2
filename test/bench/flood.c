// SPDX-License-Identifier: Apache-2.0
/* One way, as fast as it goes, to the sink. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traffic.h"

#define BURST 64
/* With Ethernet, IPv4 and UDP headers a frame of 60 bytes, the smallest there is. */
#define PAYLOAD_BYTES 18

static int connected_datagrams(const struct target *t)
{
	struct timeval patience = { 2, 0 };
	int fd = socket(t->address.ss_family, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (void *)&t->address, t->length))
		die("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

static uint64_t ask_sink(int fd)
{
	uint64_t received;

	if (send(fd, "?", QUESTION_BYTES, 0) != QUESTION_BYTES ||
	    recv(fd, &received, sizeof received, 0) != sizeof received)
		die("the sink does not answer");
	return received;
}

static void send_burst(int fd, int count)
{
	static char bytes[PAYLOAD_BYTES];
	struct iovec part = { bytes, sizeof bytes };
	struct mmsghdr messages[BURST] = { 0 };

	for (int i = 0; i < count; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	if (sendmmsg(fd, messages, count, 0) != count)
		die("sendmmsg");
}

/* What is lost on the way counts as time that the others took. */
uint64_t run_packets(const struct targets *targets, int operations)
{
	int fd = connected_datagrams(one_of(targets));
	uint64_t from, total, received;

	ask_sink(fd);
	from = now_ns();
	for (int left = operations; left > 0; left -= BURST)
		send_burst(fd, left < BURST ? left : BURST);
	received = ask_sink(fd);
	total = now_ns() - from;
	close(fd);
	if (!received) {
		fprintf(stderr, "no datagram arrived\n");
		exit(1);
	}
	return total * operations / received;
}

/* The whole machine's default may be a pacing one, whose clock would be measured instead. */
static int stream_to(const struct target *t)
{
	int fd = socket(t->address.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno")))
		die("TCP_CONGESTION");
	if (connect(fd, (void *)&t->address, t->length))
		die("connect");
	return fd;
}

static void send_block(int fd)
{
	static char bytes[BLOCK_BYTES];

	for (size_t sent = 0; sent < sizeof bytes;) {
		ssize_t n = write(fd, bytes + sent, sizeof bytes - sent);

		if (n < 0)
			die("write");
		sent += n;
	}
}

/* One connection for all turns: they are to be past slow start. */
uint64_t run_stream(const struct targets *targets, int operations)
{
	static int fd = -1;
	uint64_t from;
	char byte;

	if (fd < 0)
		fd = stream_to(one_of(targets));
	from = now_ns();
	for (int i = 0; i < operations; i++)
		send_block(fd);
	for (int i = 0; i < operations; i++)
		if (read(fd, &byte, 1) != 1)
			die("the sink does not answer");
	return now_ns() - from;
}
