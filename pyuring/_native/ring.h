/* The ring: who may touch it, how it is made and unmade, how it enters the kernel.
 *
 * Every function that Python calls runs without the GIL (CFFI drops it), so each
 * one first checks that the calling thread owns the ring: one compare that also
 * refuses a closed ring and a ring inherited through fork.
 */
#ifndef PYURING_RING_H
#define PYURING_RING_H

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

/* 0 until the thread makes its first ring. Tokens are never given twice, so
 * neither a dead thread's nor a forked parent's ring matches a newer thread. */
static _Thread_local uint64_t pyuring_self;
static _Atomic uint64_t pyuring_tokens;
static _Atomic uint32_t pyuring_tables;

static void pyuring_after_fork_in_child(void)
{
	pyuring_self = 0;
}

static int pyuring_watch_forks(void)
{
	return -pthread_atfork(NULL, NULL, pyuring_after_fork_in_child);
}

static bool pyuring_is_mine(const struct pyuring *u)
{
	return u->owner != 0 && u->owner == pyuring_self;
}

static int pyuring_arm_the_rest(struct pyuring *u); /* multishot.h */

static void pyuring_free_arrays(struct pyuring *u)
{
	u->groups = NULL;
	free(u->slots);
	free(u->timeouts);
	free(u->stage);
	free(u->armed);
	u->slots = NULL;
	u->timeouts = NULL;
	u->stage = NULL;
	u->armed = NULL;
	u->limit = 0;
}

static size_t pyuring_sqe_size(const struct pyuring *u)
{
	return sizeof(struct io_uring_sqe) << (u->ring.flags & IORING_SETUP_SQE128 ? 1 : 0);
}

/* SQE number `i` of an array that is laid out as the SQ is. */
static struct io_uring_sqe *pyuring_sqe_at(const struct pyuring *u, struct io_uring_sqe *sqes, unsigned i)
{
	return (struct io_uring_sqe *)((char *)sqes + i * pyuring_sqe_size(u));
}

static int pyuring_allocate(struct pyuring *u)
{
	u->limit = u->ring.cq.ring_entries;
	while ((UINT32_C(1) << u->slot_bits) < u->limit)
		u->slot_bits++;
	u->slots = calloc(u->limit, sizeof(*u->slots));
	u->timeouts = calloc(u->limit, sizeof(*u->timeouts));
	u->stage = calloc(u->ring.sq.ring_entries, pyuring_sqe_size(u));
	u->armed = calloc(u->limit, sizeof(*u->armed));
	if (u->slots && u->timeouts && u->stage && u->armed)
		return 0;
	pyuring_free_arrays(u);
	return -ENOMEM;
}

/* Make the ring in `u` (zeroed). Returns 0, or -errno with nothing left behind. */
static int pyuring_setup(struct pyuring *u, uint32_t entries, uint32_t cq_entries, uint32_t flags,
			 uint32_t sq_thread_idle, uint32_t sq_thread_cpu)
{
	struct io_uring_params params;
	int error;

	memset(&params, 0, sizeof(params));
	params.flags = flags;
	params.sq_thread_idle = sq_thread_idle;
	params.sq_thread_cpu = sq_thread_cpu;
	if (cq_entries) {
		params.flags |= IORING_SETUP_CQSIZE;
		params.cq_entries = cq_entries;
	}
	error = io_uring_queue_init_params(entries, &u->ring, &params);
	if (error < 0)
		return error;
	error = pyuring_allocate(u);
	if (error == 0)
		/* A child that kept the mappings would keep the ring alive, and could
		 * consume the parent's SQEs: unmapped there, neither can happen. */
		error = io_uring_ring_dontfork(&u->ring);
	if (error < 0) {
		io_uring_queue_exit(&u->ring);
		pyuring_free_arrays(u);
		return error;
	}
	if (pyuring_self == 0)
		pyuring_self = ++pyuring_tokens;
	u->owner = pyuring_self;
	return 0;
}

/* Unmap and close; twice is once. `keep` leaks what the kernel might still read. */
static void pyuring_exit(struct pyuring *u, bool keep)
{
	if (u->owner == 0)
		return;
	u->owner = 0;
	io_uring_queue_exit(&u->ring);
	if (!keep)
		pyuring_free_arrays(u);
}

/* In a forked child: the descriptor is the only thing there to let go of. */
static void pyuring_forget(struct pyuring *u)
{
	if (u->owner == 0)
		return;
	u->owner = 0;
	close(u->ring.ring_fd);
	pyuring_free_arrays(u);
}

/* A register call that liburing 2.3 has no function for. */
static int pyuring_register(const struct pyuring *u, unsigned opcode, const void *argument, unsigned count)
{
	return io_uring_register((unsigned)u->ring.ring_fd, opcode, argument, count);
}

static unsigned pyuring_space(const struct pyuring *u)
{
	return io_uring_sq_space_left(&u->ring);
}

static bool pyuring_is_sqpoll(const struct pyuring *u)
{
	return u->ring.flags & IORING_SETUP_SQPOLL;
}

/* Show the kernel every SQE prepared so far. Returns how many it has yet to take. */
static unsigned pyuring_publish(struct pyuring *u)
{
	struct io_uring_sq *sq = &u->ring.sq;

	if (sq->sqe_head != sq->sqe_tail) {
		if (pyuring_is_sqpoll(u))
			u->submitted += sq->sqe_tail - sq->sqe_head;
		sq->sqe_head = sq->sqe_tail;
		io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	}
	return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

/* Kernels before 5.11 have no timeout for a wait: poll the ring instead. */
static int pyuring_poll(struct pyuring *u, int64_t timeout_ns)
{
	struct pollfd ring = { .fd = u->ring.ring_fd, .events = POLLIN };
	struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
	int ready = ppoll(&ring, 1, &ts, NULL);

	return ready < 0 ? -errno : ready ? 0 : -ETIME;
}

/* io_uring_enter: submit `to_submit`, wait for `want` CQEs, `timeout_ns` at the most
 * (negative: for ever). Never retried here: after EINTR Python must run its signal
 * handlers, and a call that submitted something reports that and not EINTR. */
static int pyuring_call(struct pyuring *u, unsigned to_submit, unsigned want, unsigned flags, int64_t timeout_ns)
{
	struct __kernel_timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
	struct io_uring_getevents_arg arg = { .sigmask_sz = 8, .ts = (uintptr_t)&ts };
	int taken;

	u->enters++;
	if (want == 0 || timeout_ns < 0)
		taken = io_uring_enter2(u->ring.ring_fd, to_submit, want, flags, NULL, 8);
	else if (u->ring.features & IORING_FEAT_EXT_ARG)
		taken = io_uring_enter2(u->ring.ring_fd, to_submit, want, flags | IORING_ENTER_EXT_ARG,
					(sigset_t *)&arg, sizeof(arg));
	else {
		taken = io_uring_enter2(u->ring.ring_fd, to_submit, 0, flags, NULL, 8);
		if (taken >= 0 && io_uring_cq_ready(&u->ring) == 0) {
			int error = pyuring_poll(u, timeout_ns);
			if (error < 0 && taken == 0)
				return error;
		}
	}
	if (taken > 0 && !pyuring_is_sqpoll(u))
		u->submitted += taken;
	return taken;
}

/* The SQPOLL thread sleeps when idle. The flag must be read after the tail was
 * published, with a full barrier between them, or both sides wait for ever. */
static unsigned pyuring_wakeup_flag(struct pyuring *u)
{
	if (!pyuring_is_sqpoll(u))
		return 0;
	io_uring_smp_mb();
	return IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_NEED_WAKEUP ? IORING_ENTER_SQ_WAKEUP : 0;
}

/* Submit all that is prepared, without waiting. Returns how many SQEs, or -errno. */
static int pyuring_submit(struct pyuring *u)
{
	unsigned pending, flags;
	int taken, total = 0;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->staging)
		return PYURING_IN_CHAIN;
	if (u->unarmed && (taken = pyuring_arm_the_rest(u)) < 0)
		return taken;
	if (pyuring_is_sqpoll(u)) {
		total = u->ring.sq.sqe_tail - u->ring.sq.sqe_head;
		pyuring_publish(u);
		flags = pyuring_wakeup_flag(u);
		taken = flags ? pyuring_call(u, 0, 0, flags, -1) : 0;
		return taken < 0 ? taken : total;
	}
	/* Without SUBMIT_ALL the kernel stops after an SQE it refuses: go on. */
	while ((pending = pyuring_publish(u)) != 0) {
		taken = pyuring_call(u, pending, 0, 0, -1);
		if (taken <= 0)
			return total ? total : taken;
		total += taken;
	}
	return total;
}

#define PYURING_SETTLE_NS 20000
#define PYURING_SETTLE_ROUNDS 100000 /* 2 s and more: by then the thread is dead */

/* Wait until an SQPOLL thread has taken what was submitted, which submitting does not: what
 * it has yet to take must find the registered files and buffers it was prepared with. */
static void pyuring_settle(struct pyuring *u)
{
	const struct timespec moment = { 0, PYURING_SETTLE_NS };

	unsigned i;

	if (!pyuring_is_sqpoll(u))
		return;
	for (i = 0; i < PYURING_SETTLE_ROUNDS && io_uring_smp_load_acquire(u->ring.sq.khead) != *u->ring.sq.ktail; i++) {
		unsigned flags = pyuring_wakeup_flag(u);

		if (flags && pyuring_call(u, 0, 0, flags, -1) < 0)
			return;
		nanosleep(&moment, NULL);
	}
}

/* Submit until `need` SQEs fit, which they do or this returns -errno. */
static int pyuring_make_space(struct pyuring *u, unsigned need)
{
	int error;

	u->sq_full++;
	pyuring_publish(u);
	while (pyuring_is_sqpoll(u) && pyuring_space(u) < need) {
		unsigned before = pyuring_space(u);

		error = pyuring_call(u, 0, 0, IORING_ENTER_SQ_WAIT | pyuring_wakeup_flag(u), -1);
		if (error < 0)
			return error;
		if (pyuring_space(u) <= before)
			return -EINTR; /* a signal ends this wait too, and is not told */
	}
	while (pyuring_space(u) < need) {
		error = pyuring_call(u, pyuring_publish(u), 0, 0, -1);
		if (error <= 0)
			return error ? error : -EBUSY;
	}
	return 0;
}

#endif
