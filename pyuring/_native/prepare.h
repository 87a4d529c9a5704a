/* Taking an SQE for an operation, and chains of them.
 *
 * Order matters: everything is checked before an SQE is taken, because a taken
 * SQE cannot be given back. Flags and user_data are set after liburing's prep
 * helper, because the helpers of older releases clear them.
 */
#ifndef PYURING_PREPARE_H
#define PYURING_PREPARE_H

#include "ring.h"

/* Where an operation's descriptor argument points, resolved from the key Python gives. */
struct pyuring_target {
	int fd;
	unsigned flags;
};

static inline int pyuring_resolve(const struct pyuring *u, int64_t file, struct pyuring_target *target)
{
	if (file >= 0 && file <= INT32_MAX) {
		target->fd = (int)file;
		target->flags = 0;
		return 0;
	}
	if (file < 0 || !(file >> PYURING_FILE_BIT))
		return PYURING_BAD_FD;
	if (file >> PYURING_FILE_BITS != u->files_key)
		return PYURING_BAD_TABLE;
	target->fd = (int)(file & ((1 << PYURING_FILE_BITS) - 1));
	target->flags = IOSQE_FIXED_FILE;
	return 0;
}

static inline unsigned pyuring_sqes_needed(uint32_t tag)
{
	return tag & PYURING_TAG_TIMED ? 2 : 1;
}

/* An SQE for the operation in `tag`, with room right behind it for its link
 * timeout: the two must reach the kernel in one submission. */
static inline int pyuring_take(struct pyuring *u, uint32_t tag, struct io_uring_sqe **sqe)
{
	unsigned need = pyuring_sqes_needed(tag);
	unsigned slot = tag & PYURING_TAG_SLOT;
	int error;

	if (u->owner == 0 || u->owner != pyuring_self)
		return PYURING_NOT_YOURS;
	if (u->staged + need > u->ring.sq.ring_entries)
		return PYURING_CHAIN_TOO_LONG; /* before asking for room that might never come */
	if (u->expected + need > u->limit)
		return PYURING_NO_ROOM;
	if (slot >= u->limit || u->slots[slot].id != 0)
		return PYURING_BAD_SLOT;
	if (u->counter >> (62 - u->slot_bits))
		return PYURING_EXHAUSTED;
	if (u->staging) {
		*sqe = memset(&u->stage[u->staged++], 0, sizeof(**sqe));
		return 0;
	}
	if (pyuring_space(u) < need && (error = pyuring_make_space(u, need)) < 0)
		return error;
	*sqe = io_uring_get_sqe(&u->ring);
	return 0;
}

/* The LINK_TIMEOUT behind the SQE just tracked; pyuring_take() made room for it. */
static void pyuring_add_timeout(struct pyuring *u, struct io_uring_sqe *timed, unsigned slot)
{
	struct io_uring_sqe *sqe = u->staging ? memset(&u->stage[u->staged++], 0, sizeof(*sqe))
					      : io_uring_get_sqe(&u->ring);

	timed->flags |= IOSQE_IO_LINK;
	io_uring_prep_link_timeout(sqe, &u->timeouts[slot], 0);
	sqe->user_data = PYURING_INTERNAL | u->slots[slot].id;
	u->slots[slot].parts = 2;
	u->expected++;
}

/* How often to ask again after a request to cancel missed an operation. */
#define PYURING_CANCEL_TRIES 3

static inline void pyuring_track(struct pyuring *u, uint32_t tag, unsigned flags, struct io_uring_sqe *sqe)
{
	unsigned slot = tag & PYURING_TAG_SLOT;
	struct pyuring_slot *entry = &u->slots[slot];

	entry->id = ++u->counter << u->slot_bits | slot;
	entry->parts = 1;
	entry->timed_out = false;
	entry->cancel_again = false;
	entry->cancels_left = PYURING_CANCEL_TRIES;
	sqe->flags |= flags | tag >> PYURING_TAG_FLAGS;
	sqe->user_data = entry->id;
	u->has_drains |= (sqe->flags & IOSQE_IO_DRAIN) != 0;
	u->expected++;
	u->in_flight++;
	if (tag & PYURING_TAG_TIMED)
		pyuring_add_timeout(u, sqe, slot);
}

/* Note the time limit of the operation about to be prepared in `slot`. It counts
 * only for a tag that says so: one left over from a failure arms nothing. */
static int pyuring_arm(struct pyuring *u, uint32_t slot, int64_t timeout_ns)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (slot >= u->limit || u->slots[slot].id != 0)
		return PYURING_BAD_SLOT;
	u->timeouts[slot].tv_sec = timeout_ns / 1000000000;
	u->timeouts[slot].tv_nsec = timeout_ns % 1000000000;
	return 0;
}

/* Whether an operation was really queued in `slot`: after an exception somewhere
 * around the call that prepares it, only this knows. */
static int pyuring_is_queued(const struct pyuring *u, uint32_t slot)
{
	return pyuring_is_mine(u) && slot < u->limit && u->slots[slot].id != 0;
}

/* The user_data of what occupies `slot`; 0, which nothing has, where it is free. */
static uint64_t pyuring_id_of(const struct pyuring *u, uint32_t slot)
{
	return pyuring_is_mine(u) && slot < u->limit ? u->slots[slot].id : 0;
}

static int pyuring_add_cancel(struct pyuring *u, uint64_t id, unsigned flags)
{
	struct io_uring_sqe *sqe;
	int error;

	if (pyuring_space(u) < 1 && (error = pyuring_make_space(u, 1)) < 0)
		return error;
	sqe = io_uring_get_sqe(&u->ring);
	io_uring_prep_cancel64(sqe, id, (int)flags);
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

/* Begin a chain: SQEs gather aside until pyuring_chain_end() or _discard(). */
static int pyuring_chain_begin(struct pyuring *u)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	u->staging = true;
	u->staged = 0;
	return 0;
}

/* Move the chain into the SQ as one piece. `link` is IOSQE_IO_LINK or _HARDLINK;
 * the SQE before a link timeout already has the former, which it needs. */
static int pyuring_chain_end(struct pyuring *u, uint32_t link)
{
	unsigned i;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (pyuring_space(u) < u->staged && (error = pyuring_make_space(u, u->staged)) < 0)
		return error;
	for (i = 0; i < u->staged; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

		*sqe = u->stage[i];
		if (i + 1 < u->staged)
			sqe->flags |= link;
	}
	u->staging = false;
	u->staged = 0;
	return 0;
}

#endif
