// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "traffic.h"

struct targets read_targets(const char *path)
{
	struct targets t = { malloc(sizeof(struct target) * 200000), 0 };
	FILE *file = fopen(path, "r");
	char text[64];
	int port;

	if (!file)
		die(path);
	while (t.count < 200000 && fscanf(file, "%63s %d", text, &port) == 2)
		t.all[t.count++] = target_of(text, port);
	fclose(file);
	if (!t.count) {
		fprintf(stderr, "%s names no target\n", path);
		exit(2);
	}
	return t;
}

uint32_t random_below(uint32_t bound)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) * bound >> 32;
}

const struct target *one_of(const struct targets *t)
{
	return &t->all[random_below(t->count)];
}
