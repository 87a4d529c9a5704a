/* A table of registered files that is for runs, on a ring whose user has none: to open files
 * into, or to look up the one file of all ranges but once. One run at a time has it. */
#ifndef PYURING_RUN_TABLE_H
#define PYURING_RUN_TABLE_H

#include "run_loop.h"

/* Whether a table with places for `depth` files is there now. */
static bool pyuring_has_table(struct pyuring *u, uint32_t depth)
{
	if (u->table >= depth)
		return true;
	if (u->table) {
		pyuring_settle(u);
		io_uring_unregister_files(&u->ring);
	}
	u->table = io_uring_register_files_sparse(&u->ring, depth) == 0 ? depth : 0;
	return u->table != 0;
}

/* Have `fd` in the table for as long as `run` lasts. Returns whether it is there, in place 0. */
static bool pyuring_lend_file(struct pyuring *u, struct pyuring_run *run, int fd)
{
	if (u->files_key || u->table_user || !pyuring_has_table(u, 1) ||
	    io_uring_register_files_update(&u->ring, 0, &fd, 1) != 1)
		return false;
	u->table_user = run;
	return true;
}

/* Take it out again. */
static void pyuring_unlend_file(struct pyuring *u, struct pyuring_run *run)
{
	int none = -1;

	if (u->table_user != run)
		return;
	u->table_user = NULL;
	if (pyuring_is_mine(u))
		io_uring_register_files_update(&u->ring, 0, &none, 1);
}

#endif
