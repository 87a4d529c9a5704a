/* The loop of a run: fill, submit, wait, reap. Without the GIL, hence in slices: signals are
 * Python's to handle, and what was cached gives no system call a chance to be interrupted. */
#ifndef PYURING_RUN_LOOP_H
#define PYURING_RUN_LOOP_H

#include "completions.h"

#define PYURING_SLICE_NS INT64_C(50000000)

/* For how many CQEs to wait: few enough that the device does not run dry meanwhile, and that
 * a few slow operations hold up nothing; many enough that the system call pays. */
static unsigned pyuring_run_want(const struct pyuring_run *run, int state)
{
	if (state == PYURING_RUN_SUBMIT)
		return 0;
	if (state == PYURING_RUN_ISSUED)
		return run->in_flight;
	return run->in_flight >= 8 ? run->in_flight / 4 : 1;
}

/* As pyuring_reap_all(), for a ring whose CQEs are mostly those of `run`. */
static unsigned pyuring_run_reap_all(struct pyuring *u, struct pyuring_run *run)
{
	unsigned count, total = 0;

	do {
		count = pyuring_reap_for(u, run);
		total += count;
	} while (count >= PYURING_HELPING && u->batch_size < u->limit && pyuring_holds_back(u) &&
		 pyuring_call(u, 0, 0, IORING_ENTER_GETEVENTS, -1) >= 0);
	return total;
}

/* Go on with `run` until it is over, or Python has something to do: signals after at most a
 * slice, completions of other operations, which come as from pyuring_enter(). */
static int64_t pyuring_run_go(struct pyuring *u, struct pyuring_run *run, int64_t taken_over)
{
	int64_t end, left;
	int state, error = 0;
	unsigned want;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	if (u->batch_number != taken_over)
		return pyuring_batch_result(u);
	pyuring_batch_begin(u);
	if (u->cancels_missed)
		pyuring_cancel_missed(u);
	if (u->unarmed)
		error = pyuring_arm_the_rest(u);
	end = pyuring_now_ns() + PYURING_SLICE_NS;
	while (error >= 0) {
		state = run->stopped ? PYURING_RUN_ISSUED : run->fill(u, run);
		if (state < 0)
			error = state;
		if (state == PYURING_RUN_ISSUED && pyuring_run_end(u, run))
			break;
		left = end - pyuring_now_ns();
		if (left <= 0 || state < 0)
			break;
		want = pyuring_run_want(run, state);
		error = pyuring_submit_and_wait(u, want, left);
		if (pyuring_run_reap_all(u, run) < want || u->batch_size == u->limit)
			break;
	}
	if (u->batch_size == 0 && error < 0 && run->linked)
		return error;
	return pyuring_batch_end(u);
}

#endif
