// SPDX-License-Identifier: Apache-2.0
/*
 * A network that delivers a segment long after its time: straggler PORT
 *
 * Runs beside a TCP server that listens on PORT. Sends each client, once connected, one segment of
 * the server's that is far before the client's window, and says what comes of it, one JSON line
 * each: {"event":"sent"}; {"event":"duplicate"} when the client tells by D-SACK (RFC 2883) that it
 * knows the connection and has no use for the segment; {"event":"reset"} at any RST of a client.
 * With it the client's address and port. Prints "ready" first. Needs CAP_NET_RAW.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_CLIENTS 256
#define BACK 100000

struct client {
	struct sockaddr_in6 address;
	uint16_t port;
	bool sent;
	uint32_t sequence;
};

static struct client clients[MAX_CLIENTS];
static unsigned int known;
static uint16_t served;

static void die(const char *what)
{
	fprintf(stderr, "straggler: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* An IPv4 address is kept as IPv6 writes it. */
static struct sockaddr_in6 mapped(struct in_addr address)
{
	struct sockaddr_in6 result = { .sin6_family = AF_INET6 };

	memset(&result.sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&result.sin6_addr.s6_addr[12], &address, sizeof(address));
	return result;
}

static void say(const char *event, const struct client *client)
{
	const struct in6_addr *address = &client->address.sin6_addr;
	bool v4 = IN6_IS_ADDR_V4MAPPED(address);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&address->s6_addr[12] : address, text,
		  sizeof(text));
	printf("{\"event\":\"%s\",\"client\":\"%s\",\"clientPort\":%u}\n", event, text, client->port);
	fflush(stdout);
}

static struct client *find(const struct sockaddr_in6 *address, uint16_t port)
{
	for (unsigned int i = 0; i < known; i++) {
		if (clients[i].port == port &&
		    memcmp(&clients[i].address.sin6_addr, &address->sin6_addr, 16) == 0)
			return &clients[i];
	}
	return NULL;
}

static struct client *remember(const struct sockaddr_in6 *address, uint16_t port)
{
	struct client *client = find(address, port);

	if (!client && known == MAX_CLIENTS) {
		fprintf(stderr, "straggler: more than %d clients\n", MAX_CLIENTS);
		exit(1);
	}
	if (!client)
		client = &clients[known++];
	*client = (struct client){ .address = *address, .port = port };
	return client;
}

static uint32_t sum(uint32_t total, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length; i++)
		total += i % 2 ? bytes[i] : bytes[i] << 8;
	return total;
}

/* RFC 9293, 3.1; an IPv6 raw socket is asked to do it. */
static uint16_t checksum4(const struct iphdr *ip, const void *segment, size_t length)
{
	uint32_t total = sum(IPPROTO_TCP + length, &ip->saddr, 8);

	total = sum(total, segment, length);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons(~total & 0xffff);
}

/* In answer to the segment that completed the handshake; `ip` is NULL for IPv6. */
static void send_late(int fd, struct client *client, const struct tcphdr *in, const struct iphdr *ip)
{
	struct {
		struct tcphdr head;
		char data[8];
	} out = {
		.head = { .source = in->dest,
			  .dest = in->source,
			  .seq = htonl(ntohl(in->ack_seq) - BACK),
			  .ack_seq = in->seq,
			  .doff = sizeof(struct tcphdr) / 4,
			  .psh = 1,
			  .ack = 1,
			  .window = in->window },
		.data = "too late",
	};
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	ssize_t sent;

	if (ip) {
		to4.sin_addr.s_addr = ip->saddr;
		out.head.check = checksum4(ip, &out, sizeof(out));
		sent = sendto(fd, &out, sizeof(out), 0, (struct sockaddr *)&to4, sizeof(to4));
	} else {
		sent = sendto(fd, &out, sizeof(out), 0, (struct sockaddr *)&client->address,
			      sizeof(client->address));
	}
	if (sent != sizeof(out))
		die("sendto");
	client->sent = true;
	client->sequence = ntohl(out.head.seq);
	say("sent", client);
}

/* Whether a selective acknowledgement begins with the late segment. */
static bool tells_of(const struct tcphdr *in, size_t length, uint32_t sequence)
{
	const uint8_t *options = (const uint8_t *)in;
	size_t end = in->doff * 4 < length ? in->doff * 4 : length;
	uint32_t left;

	for (size_t at = sizeof(*in); at + 1 < end; at += options[at + 1]) {
		while (at < end && options[at] == TCPOPT_NOP)
			at++;
		if (at + 1 >= end || options[at] == TCPOPT_EOL || options[at + 1] < 2)
			return false;
		if (options[at] != TCPOPT_SACK || at + 2 + sizeof(left) > end)
			continue;
		memcpy(&left, options + at + 2, sizeof(left));
		return ntohl(left) == sequence;
	}
	return false;
}

static void take(int fd, const struct sockaddr_in6 *from, const struct iphdr *ip,
		 const struct tcphdr *in, size_t length)
{
	struct client *client;

	if (length < sizeof(*in) || ntohs(in->dest) != served)
		return;
	if (in->syn) {
		remember(from, ntohs(in->source));
		return;
	}
	client = find(from, ntohs(in->source));
	if (!client)
		return;
	if (in->rst)
		say("reset", client);
	else if (in->ack && !client->sent)
		send_late(fd, client, in, ip);
	else if (tells_of(in, length, client->sequence))
		say("duplicate", client);
}

static void take4(int fd)
{
	union {
		struct iphdr ip;
		uint8_t bytes[65536];
	} packet;
	ssize_t size = recv(fd, &packet, sizeof(packet), 0);
	size_t head = packet.ip.ihl * 4;
	struct sockaddr_in6 from;

	if (size < (ssize_t)(head + sizeof(struct tcphdr)))
		return;
	from = mapped((struct in_addr){ packet.ip.saddr });
	take(fd, &from, &packet.ip, (const void *)(packet.bytes + head), size - head);
}

static void take6(int fd)
{
	union {
		struct tcphdr head;
		uint8_t bytes[65536];
	} segment;
	struct sockaddr_in6 from;
	socklen_t length = sizeof(from);
	ssize_t size = recvfrom(fd, &segment, sizeof(segment), 0, (struct sockaddr *)&from, &length);

	if (size < 0)
		return;
	/* A raw socket takes it for the protocol. */
	from.sin6_port = 0;
	take(fd, &from, NULL, &segment.head, size);
}

static int open_raw(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		die("socket");
	return fd;
}

int main(int argc, char **argv)
{
	int at_checksum = offsetof(struct tcphdr, check);
	struct pollfd sockets[2] = { { .events = POLLIN }, { .events = POLLIN } };

	if (argc != 2) {
		fprintf(stderr, "usage: straggler PORT\n");
		return 2;
	}
	served = atoi(argv[1]);
	sockets[0].fd = open_raw(AF_INET);
	sockets[1].fd = open_raw(AF_INET6);
	if (setsockopt(sockets[1].fd, IPPROTO_IPV6, IPV6_CHECKSUM, &at_checksum, sizeof(at_checksum)))
		die("IPV6_CHECKSUM");
	puts("ready");
	fflush(stdout);
	while (poll(sockets, 2, -1) > 0) {
		if (sockets[0].revents)
			take4(sockets[0].fd);
		if (sockets[1].revents)
			take6(sockets[1].fd);
	}
	die("poll");
}
