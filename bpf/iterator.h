/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every iterator program is given, relocated to the running kernel's layout by CO-RE. */
#ifndef SLUICE_ITERATOR_H
#define SLUICE_ITERATOR_H

#define CORE __attribute__((preserve_access_index))

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;

/* Key and value are NULL in a last call, after every element. */
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} CORE;

#endif
