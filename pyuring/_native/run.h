/* A run: any number of operations that C prepares, submits and reaps by itself, while Python
 * waits for all of them. What a run does is its own (ranges.h, files.h); here is what all have
 * in common: their place among the ring's other operations, and the loop.
 *
 * A ring can have several runs, because a signal handler may start one while another waits.
 * Whoever reaps hands each CQE to the run it belongs to, so a run's memory stays Python's until
 * nothing of it is in flight. Its operations count as in flight like any other.
 */
#ifndef PYURING_RUN_H
#define PYURING_RUN_H

#include "cancel.h"

static int pyuring_submit_and_wait(struct pyuring *u, unsigned want, int64_t timeout_ns); /* completions.h */

enum {
	PYURING_RUN_ISSUED = 0, /* there is nothing more to prepare */
	PYURING_RUN_FULL = 1,   /* there is, once something is complete */
	PYURING_RUN_SUBMIT = 2, /* there is, once this is submitted */
};

struct pyuring_run {
	struct pyuring_run *next;
	uint64_t id; /* user_data of key 0 */
	uint32_t in_flight;
	uint32_t depth;
	bool linked;          /* it is among the ring's runs */
	_Atomic bool stopped; /* it prepares nothing any more; another thread may say so */
	/* Prepare as much as there is room for; returns one of the above, or -errno. */
	int (*fill)(struct pyuring *u, struct pyuring_run *run);
	/* Take note of a CQE. Must not prepare anything: anybody may be reaping. */
	void (*complete)(struct pyuring *u, struct pyuring_run *run, uint32_t key, const struct io_uring_cqe *cqe);
	/* Whether something with that key is in flight. */
	bool (*is_busy)(const struct pyuring_run *run, uint32_t key);
	uint32_t keys; /* are smaller */
	/* Let go of what is the ring's: nothing is in flight any more. May be NULL. */
	void (*end)(struct pyuring *u, struct pyuring_run *run);
};

static _Atomic uint64_t pyuring_runs;

#define PYURING_RUN_NUMBERS ((UINT64_C(1) << (PYURING_ID_BITS - PYURING_RUN_KEY_BITS)) - 1)

static int pyuring_run_begin(struct pyuring *u, struct pyuring_run *run)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	if (u->disabled)
		return -EBADFD; /* nothing could be submitted, nor taken back */
	run->id = PYURING_RUN | (++pyuring_runs & PYURING_RUN_NUMBERS) << PYURING_RUN_KEY_BITS;
	run->linked = true;
	run->next = u->runs;
	u->runs = run;
	return 0;
}

/* Whether `run` is over, and its memory its owner's. */
static bool pyuring_run_end(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_run **link;

	if (run->in_flight)
		return false;
	if (run->linked && run->end)
		run->end(u, run);
	for (link = &u->runs; run->linked && *link; link = &(*link)->next)
		if (*link == run) {
			*link = run->next;
			break;
		}
	run->linked = false;
	return true;
}

/* How many SQEs fit without submitting any. */
static unsigned pyuring_run_room(const struct pyuring *u)
{
	unsigned space = pyuring_space(u), left = u->limit - u->expected;

	return space < left ? space : left;
}

/* The next SQE, where it is known that there is one. */
static inline struct io_uring_sqe *pyuring_run_sqe(struct pyuring *u)
{
	struct io_uring_sq *sq = &u->ring.sq;

	return pyuring_sqe_at(u, sq->sqes, sq->sqe_tail++ & sq->ring_mask);
}

/* Whether `need` SQEs fit; if not, in *state what there is to be done about it. */
static bool pyuring_run_has_room(struct pyuring *u, unsigned need, int *state)
{
	if (u->expected + need > u->limit) {
		*state = PYURING_RUN_FULL;
		return false;
	}
	if (pyuring_space(u) >= need)
		return true;
	/* The thread that submits takes its time: here that is waited for. */
	*state = pyuring_is_sqpoll(u) ? pyuring_make_space(u, need) : PYURING_RUN_SUBMIT;
	return pyuring_is_sqpoll(u) && *state == 0;
}

/* Count the operation prepared in `sqe` as in flight. */
static inline void pyuring_run_track(struct pyuring *u, struct pyuring_run *run, struct io_uring_sqe *sqe, uint32_t key,
				     unsigned flags)
{
	sqe->flags |= flags | u->required;
	sqe->personality = u->personality;
	sqe->user_data = run->id | key;
	run->in_flight++;
	u->running++;
	u->in_flight++;
	u->expected++;
}

#define PYURING_RUN_KEYS ((UINT64_C(1) << PYURING_RUN_KEY_BITS) - 1)

static inline bool pyuring_run_owns(const struct pyuring_run *run, uint64_t user_data)
{
	return (user_data & ~PYURING_RUN_KEYS) == run->id;
}

static inline void pyuring_run_take_note(struct pyuring *u, struct pyuring_run *run, const struct io_uring_cqe *cqe)
{
	uint32_t key = (uint32_t)(cqe->user_data & PYURING_RUN_KEYS);

	/* Another ring may post here whatever it likes. */
	if (key >= run->keys || !run->is_busy(run, key)) {
		u->unexpected++;
		return;
	}
	run->in_flight--;
	u->running--;
	u->in_flight--;
	u->expected--;
	u->completed++;
	run->complete(u, run, key, cqe);
}

/* A CQE that belongs to some run. */
static void pyuring_run_reap(struct pyuring *u, const struct io_uring_cqe *cqe)
{
	struct pyuring_run *run = u->runs;

	while (run && !pyuring_run_owns(run, cqe->user_data))
		run = run->next;
	if (run)
		pyuring_run_take_note(u, run, cqe);
	else
		u->unexpected++;
}

/* Let `run` prepare nothing more. From any thread. */
static void pyuring_run_ask_to_stop(struct pyuring_run *run)
{
	run->stopped = true;
}

static bool pyuring_run_is_stopped(const struct pyuring_run *run)
{
	return run->stopped;
}

/* Stop `run` and ask for the cancellation of what it has in flight, which may miss some. */
static int pyuring_run_stop(struct pyuring *u, struct pyuring_run *run)
{
	uint32_t key;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	run->stopped = true;
	/* Also while a signal handler has a chain open, whose SQEs are elsewhere. */
	if ((error = pyuring_submit_and_wait(u, 0, -1)) < 0)
		return error;
	for (key = 0; key < run->keys && run->in_flight; key++) {
		if (!run->is_busy(run, key) || pyuring_is_answer(pyuring_cancel_now(u, run->id | key, 0)))
			continue;
		if ((error = pyuring_add_cancel(u, run->id | key, 0)) < 0)
			return error;
	}
	error = pyuring_submit_and_wait(u, 0, -1);
	return error < 0 ? error : 0;
}

#endif
