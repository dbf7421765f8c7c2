// SPDX-License-Identifier: Apache-2.0
/* The server: one epoll loop; the low bits of the data tell what a descriptor is. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "traffic.h"

enum kind { ECHO_LISTENER, ECHO_STREAM, ECHO_DATAGRAMS, SINK_LISTENER, SINK_STREAM, SINK_DATAGRAMS };
#define KIND_BITS 3

#define MAX_DESCRIPTORS 65536
#define BURST 64
/* Polls without an answer, about half a millisecond, until the sink lets itself be woken again. */
#define IDLE_POLLS 2000

static void watch(int epoll, int fd, enum kind kind)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)fd << KIND_BITS | kind };

	if (fd >= MAX_DESCRIPTORS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void listen_at(int epoll, const struct target *t, enum kind stream, enum kind datagrams)
{
	int on = 1;
	int room = 32 << 20;
	int tcp = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int udp = socket(t->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(tcp, (void *)&t->address, t->length) || listen(tcp, 4096))
		die("bind tcp");
	if (bind(udp, (void *)&t->address, t->length))
		die("bind udp");
	if (datagrams == SINK_DATAGRAMS &&
	    setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
		die("SO_RCVBUFFORCE");
	watch(epoll, tcp, stream);
	watch(epoll, udp, datagrams);
}

static void accept_all(int epoll, int listener, enum kind kind)
{
	int on = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		watch(epoll, fd, kind);
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

static void echo_datagrams(int fd)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof from;
	char bytes[256];
	ssize_t n;

	while ((n = recvfrom(fd, bytes, sizeof bytes, 0, (void *)&from, &length)) >= 0)
		sendto(fd, bytes, n, 0, (void *)&from, length);
}

/* Answers each whole block with a byte. */
static void sink_stream(int fd)
{
	static uint32_t partial[MAX_DESCRIPTORS];
	static char bytes[BLOCK_BYTES];
	ssize_t n = read(fd, bytes, sizeof bytes);

	if (n > 0) {
		partial[fd] += n;
		if (partial[fd] >= BLOCK_BYTES && write(fd, "x", 1) == 1)
			partial[fd] -= BLOCK_BYTES;
	} else if (n == 0 || errno != EAGAIN) {
		partial[fd] = 0;
		close(fd);
	}
}

static uint64_t received;

static void take_datagram(int fd, const struct mmsghdr *message)
{
	if (message->msg_len != QUESTION_BYTES) {
		received++;
		return;
	}
	sendto(fd, &received, sizeof received, 0, message->msg_hdr.msg_name,
	       message->msg_hdr.msg_namelen);
	received = 0;
}

/* Polls while datagrams come: to be woken for each would be charged to their sender. */
static void sink_datagrams(int fd)
{
	static char bytes[BURST][64];
	static struct sockaddr_storage from[BURST];
	struct iovec parts[BURST];
	struct mmsghdr messages[BURST];

	for (int idle = 0; idle < IDLE_POLLS;) {
		int n;

		for (int i = 0; i < BURST; i++) {
			parts[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
			messages[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
							       .msg_namelen = sizeof from[i],
							       .msg_iov = &parts[i],
							       .msg_iovlen = 1 };
		}
		n = recvmmsg(fd, messages, BURST, MSG_DONTWAIT, NULL);
		idle = n > 0 ? 0 : idle + 1;
		for (int i = 0; i < n; i++)
			take_datagram(fd, &messages[i]);
	}
}

static void handle(int epoll, int fd, enum kind kind)
{
	switch (kind) {
	case ECHO_LISTENER:
		accept_all(epoll, fd, ECHO_STREAM);
		break;
	case ECHO_STREAM:
		echo_stream(fd);
		break;
	case ECHO_DATAGRAMS:
		echo_datagrams(fd);
		break;
	case SINK_LISTENER:
		accept_all(epoll, fd, SINK_STREAM);
		break;
	case SINK_STREAM:
		sink_stream(fd);
		break;
	case SINK_DATAGRAMS:
		sink_datagrams(fd);
		break;
	}
}

static void run(int epoll)
{
	struct epoll_event events[64];

	puts("ready");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++)
			handle(epoll, events[i].data.u64 >> KIND_BITS,
			       events[i].data.u64 & ((1 << KIND_BITS) - 1));
	}
}

void serve_echoes(int ports, int addresses, char **address)
{
	int epoll = epoll_create1(0);

	for (int i = 0; i < addresses; i++)
		for (int port = 0; port < ports; port++) {
			struct target echo = target_of(address[i], FIRST_ECHO + port);

			listen_at(epoll, &echo, ECHO_LISTENER, ECHO_DATAGRAMS);
		}
	run(epoll);
}

void serve_sinks(int addresses, char **address)
{
	int epoll = epoll_create1(0);

	for (int i = 0; i < addresses; i++) {
		struct target sink = target_of(address[i], SINK);

		listen_at(epoll, &sink, SINK_LISTENER, SINK_DATAGRAMS);
	}
	run(epoll);
}
