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
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"

/* Refusals that are no errno: beyond the kernel's range of -1 to -4095. */
enum {
	PYURING_NOT_YOURS = -5001,      /* closed, another thread's, or from before a fork */
	PYURING_NO_ROOM = -5002,        /* in flight is at its limit: reap first */
	PYURING_BAD_SLOT = -5003,       /* the slot is taken or does not exist */
	PYURING_BAD_FD = -5004,         /* negative, or more than a C int */
	PYURING_BAD_TABLE = -5005,      /* registered elsewhere, or unregistered since */
	PYURING_BAD_OFFSET = -5006,     /* below -1 */
	PYURING_BAD_LENGTH = -5007,     /* more than one SQE transfers */
	PYURING_CHAIN_TOO_LONG = -5008, /* more SQEs than the SQ holds */
	PYURING_IN_CHAIN = -5009,       /* not while a chain is open */
	PYURING_EXHAUSTED = -5010,      /* all user_data ids were used once */
};

/* user_data: 00 | counter | slot for an operation. Bit 63 marks what pyuring sends
 * for itself, with the id of the operation it is about: its link timeout, or, with
 * bit 62 too, a request to cancel it (0: to cancel everything). A counter is used
 * once, so a late cancel never meets a newer operation. */
#define PYURING_INTERNAL (UINT64_C(1) << 63)
#define PYURING_CANCEL (UINT64_C(1) << 62)

/* `tag`, the argument every prepared operation starts with. */
#define PYURING_TAG_SLOT 0xfffffu
#define PYURING_TAG_TIMED (1u << 20) /* a link timeout armed for this slot follows */
#define PYURING_TAG_FLAGS 24         /* IOSQE_* from this bit on */

/* What pyuring_enter() returns besides the number of completions. */
#define PYURING_BATCH_HAS_FLAGS (1 << 30)
/* In a batch's flags, above the 32 bits of the CQE. */
#define PYURING_TIMED_OUT (UINT64_C(1) << 32)

/* A registered file is passed as (table key << 24) | index, with bit 59 set to differ
 * from any descriptor (and no higher one: Python's numbers get slower from 2**60 on).
 * A table's serial number is never given twice. */
#define PYURING_FILE_BITS 24
#define PYURING_FILE_BIT 59
#define PYURING_FILE_TABLE (INT64_C(1) << (PYURING_FILE_BIT - PYURING_FILE_BITS))

#define PYURING_MAX_LENGTH INT32_MAX /* res is a signed 32-bit number */

struct pyuring_slot {
	uint64_t id; /* user_data of the operation that occupies it, 0 = free */
	uint32_t flags;
	int32_t res;
	uint8_t parts; /* CQEs still to come before it is complete */
	bool timed_out;
	bool cancel_again;    /* a request to cancel it missed it */
	uint8_t cancels_left; /* how often to ask again at once */
};

struct pyuring {
	uint64_t owner; /* token of the owning thread, 0 = no ring here */
	struct io_uring ring;

	/* In flight: prepared or submitted, CQE not yet reaped. */
	struct pyuring_slot *slots;
	struct __kernel_timespec *timeouts; /* by slot; SQPOLL reads them late */
	uint64_t counter;
	bool cancels_missed; /* some slot has cancel_again set, and is worth asking again */
	bool cancels_wait;   /* some has, and is so once another operation is complete */
	bool has_drains;     /* an operation with IOSQE_IO_DRAIN was prepared, ever */
	uint32_t slot_bits;
	uint32_t limit;     /* CQ entries: in flight never exceeds them */
	uint32_t in_flight; /* operations */
	uint32_t expected;  /* CQEs they will post */

	/* The chain being staged by link(). */
	struct io_uring_sqe *stage;
	uint32_t staged;
	bool staging;

	/* Reaped, kept until Python has taken it over: see completions.h. The arrays have
	 * `limit` items and are Python's, which may read them when the ring is gone. */
	int32_t *batch_slots;
	int32_t *batch_res;
	uint64_t *batch_flags;
	uint32_t batch_size;
	bool batch_has_flags;
	int64_t batch_number;

	int64_t files_key;    /* of the registered file table, 0 = none */
	uint64_t buffers_key; /* of the registered buffers, 0 = none */

	uint64_t submitted;  /* SQEs the kernel has taken */
	uint64_t completed;  /* operations reaped */
	uint64_t enters;     /* io_uring_enter calls */
	uint64_t sq_full;    /* times the SQ was full and submitted early */
	uint64_t overflows;  /* times the kernel held CQEs back */
	uint64_t unexpected; /* CQEs that belong to no operation here */
};

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

static void pyuring_free_arrays(struct pyuring *u)
{
	free(u->slots);
	free(u->timeouts);
	free(u->stage);
	u->slots = NULL;
	u->timeouts = NULL;
	u->stage = NULL;
	u->limit = 0;
}

static int pyuring_allocate(struct pyuring *u)
{
	u->limit = u->ring.cq.ring_entries;
	while ((UINT32_C(1) << u->slot_bits) < u->limit)
		u->slot_bits++;
	u->slots = calloc(u->limit, sizeof(*u->slots));
	u->timeouts = calloc(u->limit, sizeof(*u->timeouts));
	u->stage = calloc(u->ring.sq.ring_entries, sizeof(*u->stage));
	if (u->slots && u->timeouts && u->stage)
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
