// SPDX-License-Identifier: Apache-2.0
/*
 * Asks many places at once who answers there: prober ask FILE | prober await FILE MILLISECONDS
 *
 * A line of the file is "tcp|udp ADDRESS PORT TRIES". Prints a line for each try:
 * "LINE answered NAME CLIENT-ADDRESS", "LINE failed ERRNO" or "LINE dropped". TCP has 1.5 seconds: the
 * kernel repeats its SYN after one, also where it missed a refusal that came while it still sent. A
 * datagram has 250 ms, and is repeated once with a second. The first try of a place decides how many
 * follow: all of them where somebody answered, two where it failed at once, none where it took long.
 * Of those that follow, UDP is sent by sendto() every other time, and an answer from another address
 * than the one asked is "LINE failed EREMCHG"; IPv4 is asked by an IPv6 socket two times of four.
 * `await` repeats what failed until every place has answered once, and exits with 1 at the deadline.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_OPEN 4096
/* Probes that have had no time to be answered: more of them would overrun the devices' queues. */
#define MAX_YOUNG 48
#define YOUNG_MS 10
#define TCP_TIMEOUT_MS 1500
#define FIRST_UDP_TIMEOUT_MS 250
#define SECOND_UDP_TIMEOUT_MS 1000
#define AT_ONCE_MS 200
#define AWAIT_PAUSE_MS 5
#define AWAIT_TIMEOUT_MS 100

struct place {
	struct sockaddr_storage address;
	socklen_t length;
	int type;
	int tries;
	bool answered; /* at its first try */
};

struct try {
	int place;
	int number;  /* of its place, from 0 */
	bool second; /* after one that was not answered in time */
};

struct probe {
	struct try try;
	int fd; /* -1: free */
	bool asked;
	long started_ms;
	long deadline_ms;
};

static struct place *places;
static int place_count;
static struct try *waiting;
static int waiting_first, waiting_count, waiting_room;
static struct probe probes[MAX_OPEN];
static int open_count;
static int epoll;
static bool is_await;

static void die(const char *what)
{
	fprintf(stderr, "prober: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void enqueue(struct try try)
{
	if (waiting_count == waiting_room) {
		waiting_room = waiting_room ? 2 * waiting_room : 1024;
		waiting = realloc(waiting, waiting_room * sizeof(*waiting));
		if (!waiting)
			die("realloc");
	}
	waiting[waiting_count++] = try;
}

static void read_place(const char *protocol, const char *address, int port, int tries)
{
	struct place *place;
	struct sockaddr_in *v4;
	struct sockaddr_in6 *v6;

	places = realloc(places, (place_count + 1) * sizeof(*places));
	if (!places)
		die("realloc");
	place = &places[place_count];
	memset(place, 0, sizeof(*place));
	v4 = (struct sockaddr_in *)&place->address;
	v6 = (struct sockaddr_in6 *)&place->address;
	place->type = strcmp(protocol, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
	place->tries = tries;
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		place->length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		place->length = sizeof(*v6);
	} else {
		errno = EINVAL;
		die(address);
	}
	enqueue((struct try){ .place = place_count++ });
}

static void read_places(const char *path)
{
	char protocol[8], address[64];
	int port, tries;
	FILE *file = fopen(path, "r");

	if (!file)
		die(path);
	while (fscanf(file, "%7s %63s %d %d", protocol, address, &port, &tries) == 4)
		read_place(protocol, address, port, tries);
	fclose(file);
}

static void follow(struct try try, int count)
{
	int rest = places[try.place].tries - 1;

	if (is_await || try.number > 0)
		return;
	for (int i = 1; i <= rest && i <= count; i++)
		enqueue((struct try){ .place = try.place, .number = i });
}

static void fail(struct try try, int error, long took_ms)
{
	if (is_await) {
		enqueue(try);
		return;
	}
	printf("%d failed %s\n", try.place, strerrorname_np(error));
	if (took_ms < AT_ONCE_MS)
		follow(try, 2);
}

static void drop(struct try try)
{
	bool is_last = try.second || places[try.place].type == SOCK_STREAM;

	try.second = !is_last;
	if (is_await || !is_last)
		enqueue(try);
	else
		printf("%d dropped\n", try.place);
}

static int timeout_ms(struct try try)
{
	if (places[try.place].type == SOCK_STREAM)
		return is_await ? AWAIT_TIMEOUT_MS : TCP_TIMEOUT_MS;
	return try.second ? SECOND_UDP_TIMEOUT_MS : FIRST_UDP_TIMEOUT_MS;
}

/* What failed or was dropped at first is asked again in the same way. */
static bool is_unconnected(struct try try)
{
	return places[try.place].type == SOCK_DGRAM && places[try.place].answered &&
	       try.number % 2 == 1;
}

static bool is_mapped(struct try try)
{
	return places[try.place].answered && try.number % 4 >= 2;
}

/* The place's address, as an IPv4-mapped one for an IPv6 socket. */
static socklen_t address_of(struct try try, struct sockaddr_storage *address)
{
	struct place *place = &places[try.place];
	struct sockaddr_in *v4 = (struct sockaddr_in *)&place->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

	*address = place->address;
	if (place->address.ss_family == AF_INET6 || !is_mapped(try))
		return place->length;
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = v4->sin_port };
	v6->sin6_addr.s6_addr32[2] = htonl(0xffff);
	v6->sin6_addr.s6_addr32[3] = v4->sin_addr.s_addr;
	return sizeof(*v6);
}

static void end_probe(struct probe *probe)
{
	close(probe->fd);
	probe->fd = -1;
	open_count--;
}

static void start_probe(struct try try)
{
	struct place *place = &places[try.place];
	struct sockaddr_storage address;
	socklen_t length = address_of(try, &address);
	struct linger reset = { .l_onoff = 1 };
	int on = 1;
	struct epoll_event event = { .events = EPOLLOUT | EPOLLIN };
	struct probe *probe = NULL;
	int fd;

	for (int i = 0; i < MAX_OPEN && !probe; i++)
		if (probes[i].fd < 0)
			probe = &probes[i];
	fd = socket(address.ss_family, place->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (place->type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (is_unconnected(try)) {
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	} else if (connect(fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS) {
		fail(try, errno, 0);
		close(fd);
		return;
	}
	*probe = (struct probe){ .try = try, .fd = fd, .started_ms = now_ms() };
	probe->deadline_ms = probe->started_ms + timeout_ms(try);
	event.data.ptr = probe;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	open_count++;
}

/*
 * Says what has to be said so that an answer comes; TCP servers greet by themselves. A netfilter rule
 * of the client's own host says EPERM whether it rejects or drops: what comes after tells.
 */
static int ask(struct probe *probe)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = probe };
	struct sockaddr_storage address;
	socklen_t length = address_of(probe->try, &address);
	struct sockaddr *to = is_unconnected(probe->try) ? (struct sockaddr *)&address : NULL;

	probe->asked = true;
	if (places[probe->try.place].type == SOCK_DGRAM &&
	    sendto(probe->fd, "?", 1, 0, to, to ? length : 0) < 0 && errno != EPERM)
		return errno;
	return epoll_ctl(epoll, EPOLL_CTL_MOD, probe->fd, &event) ? errno : 0;
}

/* recv() that fails where the answer comes from another address than the one asked. */
static ssize_t receive(struct probe *probe, char *line, size_t room)
{
	struct sockaddr_storage from = {}, asked;
	socklen_t length = sizeof(from), asked_length = address_of(probe->try, &asked);
	ssize_t size = recvfrom(probe->fd, line, room, 0, (struct sockaddr *)&from, &length);

	if (size < 0 || !is_unconnected(probe->try))
		return size;
	if (length == asked_length && memcmp(&from, &asked, length) == 0)
		return size;
	errno = EREMCHG;
	return -1;
}

static void handle(struct probe *probe)
{
	char line[512], name[128], client[64];
	struct try try = probe->try;
	int error = 0;
	socklen_t length = sizeof(error);
	ssize_t size;

	getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (!error && !probe->asked)
		error = ask(probe);
	size = error ? -1 : receive(probe, line, sizeof(line) - 1);
	if (!error && size < 0 && errno == EAGAIN)
		return;
	if (!error && size <= 0)
		error = size < 0 ? errno : EPIPE;
	end_probe(probe);
	if (error) {
		fail(try, error, now_ms() - probe->started_ms);
		return;
	}
	line[size] = 0;
	if (sscanf(line, "%127s %63s", name, client) != 2) {
		errno = EPROTO;
		die(line);
	}
	printf("%d answered %s %s\n", try.place, name, client);
	if (try.number == 0)
		places[try.place].answered = true;
	follow(try, places[try.place].tries);
}

static int expire(long now)
{
	int young = 0;

	for (int i = 0; i < MAX_OPEN; i++) {
		struct try try = probes[i].try;

		if (probes[i].fd < 0)
			continue;
		if (now >= probes[i].deadline_ms) {
			end_probe(&probes[i]);
			drop(try);
		} else if (now < probes[i].started_ms + YOUNG_MS) {
			young++;
		}
	}
	return young;
}

static void start_waiting(int young)
{
	/* What fails while it is started waits for the next round, or it would be tried for ever. */
	int last = waiting_count;

	while (waiting_first < last && open_count < MAX_OPEN && young++ < MAX_YOUNG)
		start_probe(waiting[waiting_first++]);
}

static void run(long deadline_ms)
{
	struct epoll_event events[256];

	while (open_count > 0 || waiting_first < waiting_count) {
		long now = now_ms();
		int young, count, pause = waiting_first < waiting_count ? 2 : 20;

		if (now > deadline_ms)
			exit(1);
		young = expire(now);
		start_waiting(young);
		count = epoll_wait(epoll, events, 256, is_await ? AWAIT_PAUSE_MS : open_count ? pause : 0);
		for (int i = 0; i < count; i++)
			handle(events[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	long deadline_ms;

	if (argc < 3)
		return 2;
	is_await = strcmp(argv[1], "await") == 0;
	deadline_ms = now_ms() + (argc > 3 ? atol(argv[3]) : 300000);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < MAX_OPEN; i++)
		probes[i].fd = -1;
	read_places(argv[2]);
	run(deadline_ms);
	return 0;
}
