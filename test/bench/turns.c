// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traffic.h"

/* A side is a process of its own: sockets belong to the cgroup in which they are made. */
struct side {
	pid_t pid;
	int go, result;
};

static void join_cgroup(const char *path)
{
	char file[512];
	FILE *procs;

	if (!*path)
		return;
	snprintf(file, sizeof file, "%s/cgroup.procs", path);
	procs = fopen(file, "w");
	if (!procs || fprintf(procs, "0\n") < 0 || fclose(procs))
		die(file);
}

static void serve_turns(runner run, int operations, const struct targets *targets, int go, int result)
{
	char byte;

	run(targets, operations);
	while (read(go, &byte, 1) == 1) {
		uint64_t ns = run(targets, operations);

		if (write(result, &ns, sizeof ns) != sizeof ns)
			die("write");
	}
	exit(0);
}

static struct side start_side(runner run, int operations, const char *cgroup, const char *targets)
{
	int go[2], result[2];
	struct side side;

	if (pipe(go) || pipe(result))
		die("pipe");
	side.pid = fork();
	if (side.pid < 0)
		die("fork");
	if (side.pid == 0) {
		struct targets t = read_targets(targets);

		close(go[1]);
		close(result[0]);
		join_cgroup(cgroup);
		serve_turns(run, operations, &t, go[0], result[1]);
	}
	close(go[0]);
	close(result[1]);
	side.go = go[1];
	side.result = result[0];
	return side;
}

static uint64_t turn_of(const struct side *side)
{
	uint64_t ns;

	if (write(side->go, "x", 1) != 1 || read(side->result, &ns, sizeof ns) != sizeof ns) {
		fprintf(stderr, "a side ended early\n");
		exit(1);
	}
	return ns;
}

/* Forwards and backwards, from another side on each time: a drift of the machine falls on all alike. */
static void run_round(const struct side *sides, int count, int round, uint64_t *ns)
{
	for (int turn = 0; turn < 2 * count; turn++) {
		int place = turn < count ? turn : 2 * count - 1 - turn;
		int side = (place + round) % count;

		ns[side] += turn_of(&sides[side]);
	}
}

#define MAX_SIDES 8

int take_turns(runner run, int rounds, int operations, int count, char **args)
{
	struct side sides[MAX_SIDES];
	int half = operations / 2;

	if (count > MAX_SIDES || half < 1) {
		fprintf(stderr, "at most %d sides, at least 2 operations\n", MAX_SIDES);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < count; i++)
		sides[i] = start_side(run, half, args[2 * i], args[2 * i + 1]);
	for (int round = -2; round < rounds; round++) {
		uint64_t ns[MAX_SIDES] = { 0 };

		run_round(sides, count, round + 2, ns);
		for (int i = 0; round >= 0 && i < count; i++)
			printf("%.1f%c", (double)ns[i] / (2 * half), i + 1 < count ? ' ' : '\n');
	}
	for (int i = 0; i < count; i++) {
		/* Later sides hold copies of the pipes of earlier ones: closing them would not be seen. */
		kill(sides[i].pid, SIGTERM);
		waitpid(sides[i].pid, NULL, 0);
	}
	return 0;
}
