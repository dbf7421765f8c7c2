/*
 * SCTP, which Node has no sockets for. One-to-one sockets of the kernel's own interface.
 *
 *   sctp serve ADDRESS PORT
 *       says "ready", and answers "ADDRESS to CLIENT" once it has got all that it was promised and
 *       each byte was right
 *   sctp ask FROM ADDRESS PORT BYTES MS
 *       sends so many bytes and prints {"backend", "peer"}, or {"error"} once so many milliseconds
 *       have passed
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif

struct endpoint {
	struct sockaddr_storage address;
	socklen_t length;
};

static struct endpoint endpoint_of(const char *text, const char *port)
{
	struct endpoint at = {};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at.address;

	if (strchr(text, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(atoi(port));
		inet_pton(AF_INET6, text, &v6->sin6_addr);
		at.length = sizeof(*v6);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(atoi(port));
		inet_pton(AF_INET, text, &v4->sin_addr);
		at.length = sizeof(*v4);
	}
	return at;
}

static int port_of(const struct endpoint *at)
{
	if (at->address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&at->address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&at->address)->sin_port);
}

static const char *text_of(const struct endpoint *at)
{
	static char text[INET6_ADDRSTRLEN];
	const void *bytes = &((struct sockaddr_in *)&at->address)->sin_addr;

	if (at->address.ss_family == AF_INET6)
		bytes = &((struct sockaddr_in6 *)&at->address)->sin6_addr;
	inet_ntop(at->address.ss_family, bytes, text, sizeof(text));
	return text;
}

static int fail(const char *what, int error)
{
	printf("{\"error\":\"%s\",\"during\":\"%s\"}\n", strerrorname_np(error), what);
	return 0;
}

static unsigned char byte_at(unsigned int n)
{
	return n * 131 + (n >> 8);
}

/* Bound to one address: of several, the peer would try each, and NAT knows but one. */
static int bound(const char *from, const char *port)
{
	struct endpoint at = endpoint_of(from, port);
	int fd = socket(at.address.ss_family, SOCK_STREAM, IPPROTO_SCTP);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at.address, at.length))
		return -1;
	return fd;
}

/* Whether all bytes came, and came right. */
static bool receive_all(int fd)
{
	static unsigned char chunk[65536];
	unsigned int wanted = 0, got = 0;
	ssize_t n, i;

	if (recv(fd, &wanted, sizeof(wanted), 0) != sizeof(wanted))
		return false;
	while (got < wanted) {
		n = recv(fd, chunk, sizeof(chunk), 0);
		if (n <= 0)
			return false;
		for (i = 0; i < n; i++, got++)
			if (chunk[i] != byte_at(got))
				return false;
	}
	return true;
}

static int serve(const char *address, const char *port)
{
	int listener = bound(address, port), fd;
	struct endpoint client;
	char answer[128];

	if (listener < 0 || listen(listener, 16))
		return 1;
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		client.length = sizeof(client.address);
		fd = accept(listener, (struct sockaddr *)&client.address, &client.length);
		if (fd < 0)
			return 1;
		snprintf(answer, sizeof(answer), "%s to %s", address, text_of(&client));
		if (receive_all(fd))
			send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		close(fd);
	}
}

static int await(int fd, short what, int ms)
{
	struct pollfd poll_of = { .fd = fd, .events = what };
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&poll_of, 1, ms) == 0)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

static int send_all(int fd, unsigned int bytes, int ms)
{
	static unsigned char chunk[16384];
	unsigned int sent = 0, size, i;
	int error;

	if (send(fd, &bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return errno;
	while (sent < bytes) {
		size = bytes - sent < sizeof(chunk) ? bytes - sent : sizeof(chunk);
		for (i = 0; i < size; i++)
			chunk[i] = byte_at(sent + i);
		if (send(fd, chunk, size, MSG_NOSIGNAL) == (ssize_t)size) {
			sent += size;
			continue;
		}
		error = errno == EAGAIN ? await(fd, POLLOUT, ms) : errno;
		if (error)
			return error;
	}
	return 0;
}

static int ask(const char *from, const char *to, const char *port, unsigned int bytes, int ms)
{
	struct endpoint peer = endpoint_of(to, port);
	int fd = bound(from, "0"), error;
	char answer[128];
	ssize_t n;

	if (fd < 0)
		return fail("bind", errno);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (struct sockaddr *)&peer.address, peer.length) && errno != EINPROGRESS)
		return fail("connect", errno);
	error = await(fd, POLLOUT, ms);
	if (error)
		return fail("connect", error);
	error = send_all(fd, bytes, ms);
	if (error)
		return fail("send", error);
	error = await(fd, POLLIN, ms);
	n = error ? 0 : recv(fd, answer, sizeof(answer) - 1, 0);
	if (n <= 0)
		return fail("receive", error ? error : n < 0 ? errno : ECONNRESET);
	answer[n] = 0;
	peer.length = sizeof(peer.address);
	if (getpeername(fd, (struct sockaddr *)&peer.address, &peer.length))
		return fail("getpeername", errno);
	printf("{\"backend\":\"%s\",\"peer\":\"%s %d\"}\n", answer, text_of(&peer), port_of(&peer));
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (argc == 7 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 10), atoi(argv[6]));
	fprintf(stderr, "usage: sctp serve ADDRESS PORT | sctp ask FROM ADDRESS PORT BYTES MS\n");
	return 2;
}
