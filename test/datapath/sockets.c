// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets under remote control: sockets PATH
 *
 * Listens on a UNIX socket at PATH, prints "ready", and carries out the commands of one client, a
 * line each, until that client hangs up. Every command is answered by one JSON line, {"errno":NAME}
 * where it failed. An IPv4-mapped ADDRESS belongs to an IPv6 socket.
 *
 *   open tcp|udp 4|6             {"fd":N}
 *   open icmp 4                  {"fd":N}        for echo requests
 *   bind FD ADDRESS              {}              to a port of the kernel's choice
 *   connect FD ADDRESS PORT      {}
 *   disconnect FD                {}              connect() to AF_UNSPEC
 *   send FD TEXT                 {}
 *   sendto FD ADDRESS PORT TEXT  {}
 *   receive FD MILLISECONDS      {"text":FIRST LINE,"from":ADDRESS:PORT}
 *   peer FD                      {"address":ADDRESS:PORT}
 *   cookie FD                    {"cookie":"N"}
 *   close FD                     {}
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS 5
#define CONNECT_SECONDS 5

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static FILE *answers;

static void die(const char *what)
{
	fprintf(stderr, "sockets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t parse_address(const char *text, const char *port, union address *address)
{
	memset(address, 0, sizeof(*address));
	address->v4.sin_port = htons(atoi(port));
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->any.sa_family = AF_INET;
		return sizeof(address->v4);
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
		address->any.sa_family = AF_INET6;
		return sizeof(address->v6);
	}
	errno = EINVAL;
	return 0;
}

static void print_address(const char *name, const union address *address)
{
	char text[INET6_ADDRSTRLEN];

	if (address->any.sa_family == AF_INET)
		fprintf(answers, "\"%s\":\"%s:%u\"", name,
			inet_ntop(AF_INET, &address->v4.sin_addr, text, sizeof(text)),
			ntohs(address->v4.sin_port));
	else
		fprintf(answers, "\"%s\":\"[%s]:%u\"", name,
			inet_ntop(AF_INET6, &address->v6.sin6_addr, text, sizeof(text)),
			ntohs(address->v6.sin6_port));
}

/* Answers with nothing but success or the errno. */
static void answer(bool ok)
{
	if (ok)
		fprintf(answers, "{}\n");
	else
		fprintf(answers, "{\"errno\":\"%s\"}\n", strerrorname_np(errno));
}

static void open_socket(const char *protocol, const char *family)
{
	struct timeval timeout = { .tv_sec = CONNECT_SECONDS };
	int type = strcmp(protocol, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
	int ours = strcmp(protocol, "icmp") == 0 ? IPPROTO_ICMP : 0;
	int fd = socket(*family == '4' ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, ours);

	if (fd < 0) {
		answer(false);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	fprintf(answers, "{\"fd\":%d}\n", fd);
}

static void bind_socket(int fd, const char *text)
{
	union address address;
	socklen_t length = parse_address(text, "0", &address);

	answer(length && bind(fd, &address.any, length) == 0);
}

static void connect_socket(int fd, const char *text, const char *port)
{
	union address address;
	socklen_t length = parse_address(text, port, &address);

	answer(length && connect(fd, &address.any, length) == 0);
}

static void disconnect_socket(int fd)
{
	struct sockaddr unspecified = { .sa_family = AF_UNSPEC };

	answer(connect(fd, &unspecified, sizeof(unspecified)) == 0);
}

static void send_to(int fd, const char *address_text, const char *port, const char *text)
{
	union address address;
	socklen_t length = parse_address(address_text, port, &address);

	answer(length && sendto(fd, text, strlen(text), MSG_NOSIGNAL, &address.any, length) >= 0);
}

static void receive(int fd, int milliseconds)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	union address from = { 0 };
	socklen_t length = sizeof(from);
	char text[512];
	ssize_t size;

	if (poll(&readable, 1, milliseconds) == 0) {
		errno = ETIMEDOUT;
		answer(false);
		return;
	}
	size = recvfrom(fd, text, sizeof(text) - 1, MSG_DONTWAIT, &from.any, &length);
	if (size < 0) {
		answer(false);
		return;
	}
	text[size] = 0;
	fprintf(answers, "{\"text\":\"%.*s\"", (int)strcspn(text, "\n"), text);
	if (length) {
		fprintf(answers, ",");
		print_address("from", &from);
	}
	fprintf(answers, "}\n");
}

static void name_peer(int fd)
{
	union address peer;
	socklen_t length = sizeof(peer);

	if (getpeername(fd, &peer.any, &length)) {
		answer(false);
		return;
	}
	fprintf(answers, "{");
	print_address("address", &peer);
	fprintf(answers, "}\n");
}

static void name_cookie(int fd)
{
	uint64_t cookie;
	socklen_t length = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length))
		answer(false);
	else
		fprintf(answers, "{\"cookie\":\"%lu\"}\n", cookie);
}

static void carry_out(char *const word[WORDS])
{
	const char *command = word[0];
	int fd = atoi(word[1]);

	if (strcmp(command, "open") == 0)
		open_socket(word[1], word[2]);
	else if (strcmp(command, "bind") == 0)
		bind_socket(fd, word[2]);
	else if (strcmp(command, "connect") == 0)
		connect_socket(fd, word[2], word[3]);
	else if (strcmp(command, "disconnect") == 0)
		disconnect_socket(fd);
	else if (strcmp(command, "send") == 0)
		answer(send(fd, word[2], strlen(word[2]), MSG_NOSIGNAL) >= 0);
	else if (strcmp(command, "sendto") == 0)
		send_to(fd, word[2], word[3], word[4]);
	else if (strcmp(command, "receive") == 0)
		receive(fd, atoi(word[2]));
	else if (strcmp(command, "peer") == 0)
		name_peer(fd);
	else if (strcmp(command, "cookie") == 0)
		name_cookie(fd);
	else if (strcmp(command, "close") == 0)
		answer(close(fd) == 0);
	else
		die(command);
}

static int accept_client(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1))
		die(path);
	puts("ready");
	fflush(stdout);
	client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		die("accept");
	return client;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	char line[1024];
	FILE *commands;
	int client;

	if (argc != 2) {
		fprintf(stderr, "usage: sockets PATH\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	client = accept_client(argv[1]);
	commands = fdopen(client, "r");
	answers = fdopen(dup(client), "w");
	while (fgets(line, sizeof(line), commands)) {
		char *word[WORDS] = { "", "", "", "", "" };
		char *rest = line;

		line[strcspn(line, "\n")] = 0;
		for (int i = 0; i < WORDS && rest; i++)
			word[i] = strsep(&rest, " ");
		carry_out(word);
		fflush(answers);
	}
	return 0;
}
