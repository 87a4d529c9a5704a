/* Cancelling what is in flight. */
#ifndef PYURING_CANCEL_H
#define PYURING_CANCEL_H

#include "prepare.h"

/* A multishot is not to be armed again. Returns whether that was all there is to do: one
 * that is not armed ends without the kernel, when completions are reaped next. */
static bool pyuring_stop(struct pyuring *u, struct pyuring_slot *entry)
{
	entry->stopped = true;
	if (!entry->starving && !entry->unarmed)
		return false;
	u->stopped = true;
	return true;
}

/* The same for the target of a request to cancel that is an operation of its own. One in a
 * chain may be given up, and stops nothing before its turn. */
static void pyuring_stop_id(struct pyuring *u, uint64_t id)
{
	unsigned slot = id & ((UINT32_C(1) << u->slot_bits) - 1);

	if (!u->staging && slot < u->limit && id && u->slots[slot].id == id)
		pyuring_stop(u, &u->slots[slot]);
}

static int pyuring_add_cancel(struct pyuring *u, uint64_t id, unsigned flags)
{
	struct io_uring_sqe *sqe;
	int error;

	if (pyuring_space(u) < 1 && (error = pyuring_make_space(u, 1)) < 0)
		return error;
	sqe = io_uring_get_sqe(&u->ring);
	io_uring_prep_cancel64(sqe, id, (int)flags);
	sqe->flags |= u->required;
	sqe->user_data = PYURING_INTERNAL | PYURING_CANCEL | id;
	return 0;
}

/* Cancel by a system call of its own, from 6.0 on: a request in the SQ would wait behind
 * an operation with IO_DRAIN, which waits for what is to be cancelled. */
static int pyuring_cancel_now(struct pyuring *u, uint64_t id, unsigned flags)
{
	struct io_uring_sync_cancel_reg request = { .addr = id, .fd = -1, .flags = flags };

	return io_uring_register_sync_cancel(&u->ring, &request);
}

/* Whether that was an answer about the operation, and not a refusal of the call. */
static bool pyuring_is_answer(int answer)
{
	return answer >= 0 || answer == -ENOENT || answer == -EALREADY || answer == -ETIME;
}

/* A request to cancel missed the operation. One that is between two of the kernel's queues
 * will be found soon; one that waits for its turn in a chain, or behind a drained one,
 * only when another operation is complete. */
static void pyuring_cancel_again(struct pyuring *u, struct pyuring_slot *entry)
{
	entry->cancel_again = true;
	if (entry->cancels_left == 0)
		u->cancels_wait = true;
	else {
		entry->cancels_left--;
		u->cancels_missed = true;
	}
}

/* How often a ring is entered before requests are sent again: on 6.18 a socket's operation
 * goes to and fro between poll and task work 128 times before a worker gets it. */
#define PYURING_POLL_ROUNDS 256

static void pyuring_cancel_missed(struct pyuring *u)
{
	unsigned slot, round;

	for (round = 0; round < PYURING_POLL_ROUNDS; round++)
		if (!(IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_TASKRUN) ||
		    pyuring_call(u, 0, 0, IORING_ENTER_GETEVENTS, -1) < 0)
			break;
	u->cancels_missed = u->cancels_wait = false;
	for (slot = 0; slot < u->limit; slot++) {
		struct pyuring_slot *entry = &u->slots[slot];

		if (!entry->cancel_again || entry->id == 0)
			continue;
		entry->cancel_again = false;
		if (u->has_drains) {
			int answer = pyuring_cancel_now(u, entry->id, 0);

			if (answer == -ENOENT)
				pyuring_cancel_again(u, entry);
			if (pyuring_is_answer(answer))
				continue;
		}
		if (pyuring_add_cancel(u, entry->id, 0) < 0) {
			entry->cancel_again = u->cancels_missed = true;
			return;
		}
	}
}

/* Ask the kernel to cancel what occupies `slot`, now. The request counts against
 * nothing: it must get out also when in flight is at its limit. Should the CQ be
 * full, the kernel holds the answer until there is room. */
static int pyuring_cancel_slot(struct pyuring *u, uint32_t slot)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	if (slot >= u->limit || u->slots[slot].id == 0)
		return 0;
	if (pyuring_stop(u, &u->slots[slot]))
		return 0;
	if (u->has_drains && (error = pyuring_submit(u)) >= 0) {
		int answer = pyuring_cancel_now(u, u->slots[slot].id, 0);

		if (answer == -ENOENT)
			pyuring_cancel_again(u, &u->slots[slot]);
		if (pyuring_is_answer(answer))
			return 0;
	}
	error = pyuring_add_cancel(u, u->slots[slot].id, 0);
	if (error == 0)
		error = pyuring_submit(u);
	return error < 0 ? error : 0;
}

#endif
