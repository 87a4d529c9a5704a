/* The ring: who may touch it, how it is made and unmade.
 *
 * Every function that Python calls runs without the GIL (CFFI drops it), so each
 * one first checks that the calling thread owns the ring: one compare that also
 * refuses a closed ring and a ring inherited through fork.
 */
#ifndef PYURING_SETUP_H
#define PYURING_SETUP_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static void pyuring_free_arrays(struct pyuring *u)
{
	u->groups = NULL;
	free(u->slots);
	free(u->timeouts);
	free(u->stage);
	free(u->armed);
	if (u->slab)
		munmap(u->slab, u->slab_size);
	u->slab = NULL;
	u->slab_size = 0;
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

/* The arrays for `sq_entries` SQEs and as many slots as `limit`; slot_bits never shrinks, so
 * that no id comes twice. Returns 0, or -ENOMEM with `u` as it was. */
static int pyuring_allocate(struct pyuring *u, uint32_t sq_entries, uint32_t limit)
{
	struct pyuring_slot *slots = calloc(limit, sizeof(*slots));
	struct __kernel_timespec *timeouts = calloc(limit, sizeof(*timeouts));
	struct io_uring_sqe *stage = calloc(sq_entries, pyuring_sqe_size(u));
	struct io_uring_sqe *armed = calloc(limit, sizeof(*armed));

	if (!slots || !timeouts || !stage || !armed) {
		free(slots);
		free(timeouts);
		free(stage);
		free(armed);
		return -ENOMEM;
	}
	free(u->slots);
	free(u->timeouts);
	free(u->stage);
	free(u->armed);
	u->slots = slots;
	u->timeouts = timeouts;
	u->stage = stage;
	u->armed = armed;
	u->limit = limit;
	while ((UINT32_C(1) << u->slot_bits) < limit)
		u->slot_bits++;
	return 0;
}

/* A register call that liburing 2.3 has no function for. */
static int pyuring_register(const struct pyuring *u, unsigned opcode, const void *argument, unsigned count)
{
	return io_uring_register((unsigned)u->ring.ring_fd, opcode, argument, count);
}

/* Make the ring in `u` (zeroed); `wq_fd` is the ring of IORING_SETUP_ATTACH_WQ. Returns 0,
 * or -errno with nothing left behind. */
static int pyuring_setup(struct pyuring *u, uint32_t entries, uint32_t cq_entries, uint32_t flags,
			 uint32_t sq_thread_idle, uint32_t sq_thread_cpu, uint32_t wq_fd)
{
	struct io_uring_params params;
	int error;

	memset(&params, 0, sizeof(params));
	params.flags = flags;
	params.sq_thread_idle = sq_thread_idle;
	params.sq_thread_cpu = sq_thread_cpu;
	params.wq_fd = wq_fd;
	if (cq_entries) {
		params.flags |= IORING_SETUP_CQSIZE;
		params.cq_entries = cq_entries;
	}
	error = io_uring_queue_init_params(entries, &u->ring, &params);
	if (error < 0)
		return error;
	error = pyuring_allocate(u, u->ring.sq.ring_entries, u->ring.cq.ring_entries);
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
	u->tells_nothing = u->ring.flags & IORING_SETUP_IOPOLL ||
			   (u->ring.flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)) == IORING_SETUP_DEFER_TASKRUN;
	u->owner = pyuring_self;
	u->enter_fd = u->ring.ring_fd;
	u->disabled = flags & IORING_SETUP_R_DISABLED;
	return 0;
}

/* Enable a ring that was made with IORING_SETUP_R_DISABLED. */
static int pyuring_enable(struct pyuring *u)
{
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	error = io_uring_enable_rings(&u->ring);
	if (error == 0)
		u->disabled = false;
	return error;
}

/* Let the kernel keep a reference to the ring for this thread, in a table of 16, so that it
 * need not look up the descriptor each time. Not by liburing's function: queue_exit() would
 * undo it in whatever thread it runs, and hit another ring there. */
static int pyuring_register_ring_fd(struct pyuring *u)
{
	struct io_uring_rsrc_update update = { .offset = UINT32_MAX, .data = (uint64_t)u->ring.ring_fd };
	int taken;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->enter_flags & IORING_ENTER_REGISTERED_RING)
		return 0;
	taken = pyuring_register(u, IORING_REGISTER_RING_FDS, &update, 1);
	if (taken < 1)
		return taken < 0 ? taken : -EINVAL;
	u->enter_fd = (int)update.offset;
	u->enter_flags |= IORING_ENTER_REGISTERED_RING;
	return 0;
}

static int pyuring_unregister_ring_fd(struct pyuring *u)
{
	struct io_uring_rsrc_update update = { .offset = (uint32_t)u->enter_fd };
	int taken;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (!(u->enter_flags & IORING_ENTER_REGISTERED_RING))
		return 0;
	taken = pyuring_register(u, IORING_UNREGISTER_RING_FDS, &update, 1);
	if (taken < 1)
		return taken < 0 ? taken : -EINVAL;
	u->enter_fd = u->ring.ring_fd;
	u->enter_flags &= ~IORING_ENTER_REGISTERED_RING;
	return 0;
}

#define PYURING_WAIT_REGION 4096

/* Unmap and close; twice is once. `keep` leaks what the kernel might still read. */
static void pyuring_exit(struct pyuring *u, bool keep)
{
	if (u->owner == 0)
		return;
	/* In another thread there is no table to take it out of: the owner's end does that. */
	pyuring_unregister_ring_fd(u);
	u->owner = 0;
	io_uring_queue_exit(&u->ring);
	if (u->reg_wait)
		munmap(u->reg_wait, PYURING_WAIT_REGION); /* its pages are the kernel's as long as it needs them */
	u->reg_wait = NULL;
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

#endif
