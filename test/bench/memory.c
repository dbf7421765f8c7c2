// SPDX-License-Identifier: Apache-2.0
/* How long memory takes that no cache near the CPU holds: whatever keeps state feels it. */
#include <stdlib.h>

#include "traffic.h"

#define LINE_BYTES 64
#define LINES ((24u << 20) / LINE_BYTES)

/* One cycle through all lines, in random order, so that each read waits for the one before. */
static void shuffle(uint32_t *order)
{
	for (uint32_t i = 0; i < LINES; i++)
		order[i] = i;
	for (uint32_t i = LINES - 1; i > 0; i--) {
		uint32_t j = random_below(i + 1), kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

double memory_read_ns(void)
{
	char *lines = malloc(LINES * LINE_BYTES);
	uint32_t *order = malloc(LINES * sizeof *order);
	volatile uint32_t at = 0;
	uint64_t from;

	if (!lines || !order)
		die("malloc");
	shuffle(order);
	for (uint32_t i = 0; i < LINES; i++)
		*(uint32_t *)(lines + LINE_BYTES * (size_t)order[i]) = order[(i + 1) % LINES];
	from = now_ns();
	for (uint32_t i = 0; i < LINES; i++)
		at = *(uint32_t *)(lines + LINE_BYTES * (size_t)at);
	return (double)(now_ns() - from) / LINES;
}
