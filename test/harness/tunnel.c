// SPDX-License-Identifier: Apache-2.0
/*
 * One end of a tunnel without link-layer headers: tunnel DEVICE LOCAL REMOTE PORT
 *
 * Makes the tun device, and carries its packets in UDP datagrams from LOCAL:PORT to REMOTE:PORT,
 * which are IPv4 addresses. Prints "ready" once packets pass. The device goes with the process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "tunnel: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request))
		die(name);
	return fd;
}

static struct sockaddr_in address_of(const char *text, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	return address;
}

static int open_socket(const char *local, const char *remote, const char *port)
{
	struct sockaddr_in own = address_of(local, port), peer = address_of(remote, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)))
		die(local);
	if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)))
		die(remote);
	return fd;
}

/* A packet that the other side does not take is lost, as in any tunnel. */
static void carry(int from, int to)
{
	char packet[65536];
	ssize_t size = read(from, packet, sizeof(packet));

	if (size > 0 && write(to, packet, size) < 0)
		return;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2];

	if (argc != 5) {
		fprintf(stderr, "usage: tunnel DEVICE LOCAL REMOTE PORT\n");
		return 2;
	}
	fds[0] = (struct pollfd){ .fd = open_device(argv[1]), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = open_socket(argv[2], argv[3], argv[4]), .events = POLLIN };
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				carry(fds[i].fd, fds[!i].fd);
	}
}
