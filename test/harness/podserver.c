// SPDX-License-Identifier: Apache-2.0
/*
 * The server inside a test's pod: podserver NAME [--log] tcp:PORT|udp:PORT...
 *
 * Listens on every address of both families. A TCP connection is greeted with one line,
 * "NAME CLIENT-ADDRESS CLIENT-PORT", and then gets back what it sends. A datagram is answered by
 * one with that line followed by what was sent. Prints "ready" once it listens; with --log one
 * JSON line per connection or datagram. Meant for small messages: a client that does not read is
 * dropped.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { TCP_LISTENER, UDP_SOCKET, TCP_CONNECTION };

/* What epoll hands back: the descriptor, what it is, and the port it belongs to. */
union tag {
	uint64_t word;
	struct {
		int32_t fd;
		uint16_t kind;
		uint16_t port;
	};
};

static const char *name;
static bool log_clients;
static int epoll;

static void die(const char *what)
{
	fprintf(stderr, "podserver: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, enum kind kind, uint16_t port)
{
	union tag tag = { .fd = fd, .kind = kind, .port = port };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag.word };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void open_port(const char *spec)
{
	bool tcp = strncmp(spec, "tcp:", 4) == 0;
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(spec + 4)) };
	int off = 0, on = 1;
	int fd;

	if (!tcp && strncmp(spec, "udp:", 4) != 0) {
		errno = EINVAL;
		die(spec);
	}
	fd = socket(AF_INET6, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!tcp)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(spec);
	if (tcp && listen(fd, SOMAXCONN))
		die(spec);
	watch(fd, tcp ? TCP_LISTENER : UDP_SOCKET, ntohs(address.sin6_port));
}

/* The client's address as text, an IPv4 one without its IPv6 mapping. */
static const char *client_text(const struct sockaddr_in6 *client, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(&client->sin6_addr))
		return inet_ntop(AF_INET, &client->sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, &client->sin6_addr, text, INET6_ADDRSTRLEN);
}

static int greet(char *line, size_t size, const struct sockaddr_in6 *client, const char *protocol,
		 uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	const char *address = client_text(client, text);
	uint16_t client_port = ntohs(client->sin6_port);

	if (log_clients)
		printf("{\"protocol\":\"%s\",\"port\":%u,\"client\":\"%s\",\"clientPort\":%u}\n", protocol,
		       port, address, client_port);
	return snprintf(line, size, "%s %s %u\n", name, address, client_port);
}

static bool send_all(int fd, const char *data, ssize_t size)
{
	while (size > 0) {
		struct pollfd writable = { .fd = fd, .events = POLLOUT };
		ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN && poll(&writable, 1, 1000) == 1)
			continue;
		if (sent < 0)
			return false;
		data += sent;
		size -= sent;
	}
	return true;
}

static void accept_clients(int listener, uint16_t port)
{
	for (;;) {
		struct sockaddr_in6 client;
		socklen_t length = sizeof(client);
		char line[256];
		int fd = accept4(listener, (struct sockaddr *)&client, &length,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (send_all(fd, line, greet(line, sizeof(line), &client, "TCP", port)))
			watch(fd, TCP_CONNECTION, port);
		else
			close(fd);
	}
}

static void echo(int fd)
{
	char data[16384];
	ssize_t size = recv(fd, data, sizeof(data), 0);

	if (size < 0 && errno == EAGAIN)
		return;
	if (size <= 0 || !send_all(fd, data, size))
		close(fd);
}

/* Answers from the address that was asked: a node has several, and a wildcard socket none. */
static void answer_datagrams(int fd, uint16_t port)
{
	for (;;) {
		char data[256 + 9000], payload[9000], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct sockaddr_in6 client;
		struct iovec buffer = { .iov_base = payload, .iov_len = sizeof(payload) };
		struct msghdr message = { .msg_name = &client, .msg_namelen = sizeof(client),
					  .msg_iov = &buffer, .msg_iovlen = 1,
					  .msg_control = control, .msg_controllen = sizeof(control) };
		ssize_t size = recvmsg(fd, &message, 0);
		struct cmsghdr *asked;
		int head;

		if (size < 0)
			return;
		/* By the address alone: the reply need not leave by the device of the request. */
		asked = CMSG_FIRSTHDR(&message);
		if (asked)
			((struct in6_pktinfo *)CMSG_DATA(asked))->ipi6_ifindex = 0;
		head = greet(data, 256, &client, "UDP", port);
		memcpy(data + head, payload, size);
		buffer = (struct iovec){ .iov_base = data, .iov_len = head + size };
		sendmsg(fd, &message, MSG_NOSIGNAL);
	}
}

static void serve(void)
{
	struct epoll_event events[64];

	for (;;) {
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			union tag tag = { .word = events[i].data.u64 };

			if (tag.kind == TCP_LISTENER)
				accept_clients(tag.fd, tag.port);
			else if (tag.kind == UDP_SOCKET)
				answer_datagrams(tag.fd, tag.port);
			else
				echo(tag.fd);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (argc < 3) {
		fprintf(stderr, "usage: podserver NAME [--log] tcp:PORT|udp:PORT...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	name = argv[1];
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--log") == 0)
			log_clients = true;
		else
			open_port(argv[i]);
	}
	puts("ready");
	fflush(stdout);
	serve();
}
