/* Reaping: from CQEs to a batch of (slot, res, flags) that Python takes over.
 *
 * A signal handler may raise in Python right after any call here returned, before
 * the result is stored. So a batch stays until Python says, with the next call,
 * that it has taken over the batch of that number; until then it is given again.
 */
#ifndef PYURING_COMPLETIONS_H
#define PYURING_COMPLETIONS_H

#include "chain.h"
#include "groups.h"
#include "run.h"

static int64_t pyuring_batch_result(const struct pyuring *u)
{
	return (int64_t)u->batch_size | (u->batch_has_flags ? PYURING_BATCH_HAS_FLAGS : 0) |
	       (u->batch_is_mixed ? PYURING_BATCH_IS_MIXED : 0);
}

static void pyuring_batch_begin(struct pyuring *u)
{
	u->batch_size = 0;
	u->batch_has_flags = u->batch_is_mixed = false;
}

/* Close the batch; an empty one gets no number, there is nothing to take over. */
static int64_t pyuring_batch_end(struct pyuring *u)
{
	if (u->batch_size)
		u->batch_number++;
	return pyuring_batch_result(u);
}

static inline unsigned pyuring_batch_add(struct pyuring *u, int32_t slot, int32_t res, uint64_t flags)
{
	unsigned n = u->batch_size++;

	u->batch_slots[n] = slot;
	u->batch_res[n] = res;
	u->batch_flags[n] = flags;
	u->batch_has_flags |= flags != 0;
	return n;
}

/* The operation in `slot` is over: its slot is free, the rest is Python's. */
static inline void pyuring_free_slot(struct pyuring *u, struct pyuring_slot *entry)
{
	entry->id = 0;
	entry->plain = false; /* a CQE with the user_data 0 is not its own */
	u->cancels_missed |= u->cancels_wait;
}

static inline void pyuring_emit(struct pyuring *u, unsigned slot, int32_t res, uint64_t flags)
{
	pyuring_batch_add(u, (int32_t)slot, res, flags);
	u->in_flight--;
	u->completed++;
	pyuring_free_slot(u, &u->slots[slot]);
}

/* A CQE that the kernel did not post, with room for the two words that large ones have. */
union pyuring_made_cqe {
	uint64_t words[4];
	struct io_uring_cqe cqe;
};

/* The two words that a CQE of 32 bytes has more than others. */
static void pyuring_read_extra(const struct pyuring *u, const struct io_uring_cqe *cqe, uint64_t extra[2])
{
	bool large = u->ring.flags & IORING_SETUP_CQE32 || cqe->flags & PYURING_CQE_F_32;

	extra[0] = large ? cqe->big_cqe[0] : 0;
	extra[1] = large ? cqe->big_cqe[1] : 0;
}

/* What a CQE brought, besides res and flags, to the last entry of the batch. */
static void pyuring_batch_details(struct pyuring *u, uint64_t place, const struct io_uring_cqe *cqe)
{
	unsigned n = u->batch_size - 1;

	u->batch_is_mixed = true;
	u->batch_places[n] = place;
	if (u->batch_extra)
		pyuring_read_extra(u, cqe, &u->batch_extra[2 * n]);
}

#include "parts.h"

static inline void pyuring_reap_one(struct pyuring *u, const struct io_uring_cqe *cqe)
{
	unsigned slot = cqe->user_data & ((UINT32_C(1) << u->slot_bits) - 1);

	if (slot < u->limit && u->slots[slot].id == cqe->user_data && u->slots[slot].plain) {
		u->expected--;
		pyuring_emit(u, slot, cqe->res, cqe->flags);
		if (u->batch_extra)
			pyuring_batch_details(u, 0, cqe);
	} else
		pyuring_reap_other(u, cqe);
}

/* Everything the CQ holds now, as far as the batch has room. With CQEs of 32 bytes each takes
 * two places of the array, but one number; among mixed ones it takes two numbers, and a
 * filler keeps it from being cut at the array's end. Returns how many. `run` is the one
 * that most of them may belong to, or NULL. */
PYURING_HOT unsigned pyuring_reap_for(struct pyuring *u, struct pyuring_run *run)
{
	struct io_uring_cq *cq = &u->ring.cq;
	unsigned shift = u->ring.flags & IORING_SETUP_CQE32 ? 1 : 0;
	/* Elsewhere these bits mean nothing, and a message has them if its sender likes. */
	unsigned shapes = u->ring.flags & IORING_SETUP_CQE_MIXED ? PYURING_CQE_F_32 | PYURING_CQE_F_SKIP : 0;
	unsigned head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail), before = head;

	while (head != tail && u->batch_size < u->limit) {
		const struct io_uring_cqe *cqe = &cq->cqes[(head & cq->ring_mask) << shift];

		head += cqe->flags & shapes & PYURING_CQE_F_32 ? 2 : 1;
		if (run && pyuring_run_owns(run, cqe->user_data))
			pyuring_run_take_note(u, run, cqe);
		else if (!(cqe->flags & shapes & PYURING_CQE_F_SKIP))
			pyuring_reap_one(u, cqe);
	}
	io_uring_smp_store_release(cq->khead, head);
	if (u->stopped)
		pyuring_end_stopped(u);
	return head - before;
}

static unsigned pyuring_reap(struct pyuring *u)
{
	return pyuring_reap_for(u, NULL);
}

/* Completions that the kernel shows only after being entered: overflowed ones, task
 * work of a DEFER_TASKRUN ring, which says so if it may, and all of an IOPOLL ring. */
static bool pyuring_holds_back(struct pyuring *u)
{
	unsigned flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);

	if (flags & IORING_SQ_CQ_OVERFLOW)
		u->overflows++;
	if (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN))
		return true;
	return u->tells_nothing && u->expected != io_uring_cq_ready(&u->ring);
}

/* The kernel runs a limited amount of task work per call (20 items in 6.18), so a
 * full helping means there may be more that is ready. */
#define PYURING_HELPING 16

static unsigned pyuring_reap_all(struct pyuring *u)
{
	unsigned count, total = 0;

	do {
		count = pyuring_reap(u);
		total += count;
	} while (count >= PYURING_HELPING && u->batch_size < u->limit && pyuring_holds_back(u) &&
		 pyuring_call(u, 0, 0, IORING_ENTER_GETEVENTS, -1) >= 0);
	return total;
}

/* Submit what is prepared and wait until `want` CQEs are there, or `timeout_ns`. Returns
 * -errno, or something else. */
static int pyuring_submit_and_wait(struct pyuring *u, unsigned want, int64_t timeout_ns)
{
	unsigned pending = pyuring_publish(u), flags = pyuring_wakeup_flag(u);
	int error = 0;

	if (pyuring_is_sqpoll(u))
		pending = 0;
	if (pending || io_uring_cq_ready(&u->ring) < want || flags || pyuring_holds_back(u))
		error = pyuring_call(u, pending, want, flags | IORING_ENTER_GETEVENTS, timeout_ns);
	/* Without SUBMIT_ALL the kernel stops after an SQE it refuses: go on. */
	while (error > 0 && !pyuring_is_sqpoll(u) && (pending = pyuring_publish(u)) != 0)
		error = pyuring_call(u, pending, 0, IORING_ENTER_GETEVENTS, -1);
	return error;
}

/* Submit what is prepared, wait for `want` CQEs (never more than are coming) or
 * `timeout_ns`, and reap. `taken_over` is the number of the last batch that Python
 * has. Returns the size of the batch (with PYURING_BATCH_HAS_FLAGS), or -errno if
 * there is nothing to reap. */
static int64_t pyuring_enter(struct pyuring *u, uint32_t want, int64_t timeout_ns, int64_t taken_over)
{
	int error;

	if (u->owner == 0 || u->owner != pyuring_self)
		return PYURING_NOT_YOURS;
	if (u->batch_number != taken_over)
		return pyuring_batch_result(u);
	pyuring_batch_begin(u);
	if (u->cancels_missed)
		pyuring_cancel_missed(u);
	if (u->unarmed && pyuring_arm_the_rest(u) < 0)
		want = 0;
	if (u->stopped)
		want = 0;
	/* CQEs of link timeouts and cancels count too, and may be something to act on. */
	if (want > 1 && (u->expected != u->in_flight || u->cancels_wait))
		want = 1;
	if (want && u->expected == 0 && u->starving && !u->expects_messages && io_uring_cq_ready(&u->ring) == 0) {
		if (timeout_ns < 0)
			return PYURING_STARVED;
		want = 1; /* another thread may give a buffer back meanwhile */
	} else if (want > u->expected + u->expects_messages)
		want = u->expected + u->expects_messages;
	error = pyuring_submit_and_wait(u, want, timeout_ns);
	pyuring_reap_all(u);
	if (u->batch_size == 0 && error < 0)
		return error;
	return pyuring_batch_end(u);
}

/* Reap what is ready, submitting nothing and waiting for nothing. */
static int64_t pyuring_peek(struct pyuring *u, int64_t taken_over)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->batch_number != taken_over)
		return pyuring_batch_result(u);
	pyuring_batch_begin(u);
	if (pyuring_holds_back(u))
		pyuring_call(u, 0, 0, IORING_ENTER_GETEVENTS, -1);
	pyuring_reap_all(u);
	return pyuring_batch_end(u);
}

/* As if the kernel had cancelled it. An operation goes with the CQE of its timeout; a
 * timeout is on its own only if the kernel took the operation and then stopped. */
static void pyuring_discard_sqe(struct pyuring *u, const struct io_uring_sqe *sqe)
{
	const union pyuring_made_cqe made = { .cqe = { .user_data = sqe->user_data, .res = -ECANCELED } };

	if (!(sqe->user_data & PYURING_CANCEL))
		pyuring_reap_one(u, &made.cqe);
}

/* Complete the open chain's operations with ECANCELED, none of them submitted. */
static int64_t pyuring_chain_discard(struct pyuring *u, int64_t taken_over)
{
	unsigned i;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->batch_number != taken_over)
		return pyuring_batch_result(u);
	pyuring_batch_begin(u);
	for (i = 0; u->staging && i < u->staged; i++)
		pyuring_discard_sqe(u, pyuring_sqe_at(u, u->stage, i));
	u->staging = false;
	u->staged = 0;
	return pyuring_batch_end(u);
}

/* Take back what was prepared and never submitted, before the ring is closed. SQEs
 * that an SQPOLL thread has been shown are submitted, whether it came to them or not. */
static int64_t pyuring_discard(struct pyuring *u, int64_t taken_over)
{
	struct io_uring_sq *sq = &u->ring.sq;
	unsigned first, i;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->batch_number != taken_over)
		return pyuring_batch_result(u);
	pyuring_batch_begin(u);
	first = pyuring_is_sqpoll(u) ? sq->sqe_head : *sq->khead;
	for (i = first; i != sq->sqe_tail; i++)
		pyuring_discard_sqe(u, pyuring_sqe_at(u, sq->sqes, i & sq->ring_mask));
	sq->sqe_head = sq->sqe_tail = first;
	if (!pyuring_is_sqpoll(u))
		*sq->ktail = first;
	return pyuring_batch_end(u);
}

/* Ask for the cancellation of everything in flight. Kernels before 5.19 know no
 * CANCEL_ANY and need one request per operation. */
static int pyuring_cancel_all(struct pyuring *u, bool one_by_one)
{
	struct pyuring_run *run;
	unsigned slot;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	for (slot = 0; slot < u->limit; slot++)
		if (u->slots[slot].id)
			pyuring_stop(u, &u->slots[slot]);
	if (pyuring_is_answer(pyuring_cancel_now(u, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL)))
		return 0;
	for (slot = 0; one_by_one && slot < u->limit; slot++)
		if (u->slots[slot].id && (error = pyuring_cancel_slot(u, slot)) < 0)
			return error;
	for (run = u->runs; one_by_one && run; run = run->next)
		if ((error = pyuring_run_stop(u, run)) < 0)
			return error;
	if (one_by_one)
		return 0;
	error = pyuring_add_cancel(u, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	if (error == 0)
		error = pyuring_submit(u);
	return error < 0 ? error : 0;
}

#endif
