/* Entering the kernel: submitting and waiting. */
#ifndef PYURING_RING_H
#define PYURING_RING_H

#include <poll.h>
#include <time.h>

#include "setup.h"

static int pyuring_arm_the_rest(struct pyuring *u); /* multishot.h */

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
		if (pyuring_is_sqpoll(u)) {
			if (u->disabled)
				return 0; /* nobody would take them, nor could they be taken back */
			u->submitted += sq->sqe_tail - sq->sqe_head;
		}
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

static int64_t pyuring_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A wait that is limited: by `timeout_ns`, or (negative) only by `min_wait_us`, after which it
 * is content with less; the kernel takes that for a limit where there is no other. */
#define PYURING_VERY_LONG (INT64_C(1) << 61)

static int pyuring_limited_call(struct pyuring *u, unsigned to_submit, unsigned want, unsigned flags,
				int64_t timeout_ns, uint32_t min_wait_us)
{
	int64_t limit = timeout_ns < 0 ? PYURING_VERY_LONG : timeout_ns;
	struct __kernel_timespec ts = { limit / 1000000000, limit % 1000000000 };
	struct pyuring_wait_arg arg = { .sigmask_sz = 8, .min_wait_usec = min_wait_us, .ts = (uintptr_t)&ts };
	int taken, error;

	if (u->reg_wait) {
		u->reg_wait->ts = ts;
		u->reg_wait->min_wait_usec = min_wait_us;
		/* Its argument is not a pointer but the place in the region. */
		return io_uring_enter2(u->enter_fd, to_submit, want,
				       flags | IORING_ENTER_EXT_ARG | PYURING_ENTER_EXT_ARG_REG, NULL,
				       sizeof(*u->reg_wait));
	}
	if (u->ring.features & IORING_FEAT_EXT_ARG)
		return io_uring_enter2(u->enter_fd, to_submit, want, flags | IORING_ENTER_EXT_ARG, (sigset_t *)&arg,
				       sizeof(arg));
	taken = io_uring_enter2(u->enter_fd, to_submit, 0, flags, NULL, 8);
	if (taken >= 0 && io_uring_cq_ready(&u->ring) == 0) {
		error = pyuring_poll(u, timeout_ns);
		if (error < 0 && taken == 0)
			return error;
	}
	return taken;
}

/* The same with a min_wait. A wait that a signal cut short is continued, not begun again, by
 * the next call. */
static int pyuring_gathering_call(struct pyuring *u, unsigned to_submit, unsigned want, unsigned flags,
				  int64_t timeout_ns)
{
	int64_t now = pyuring_now_ns(), left;
	int taken;

	if (u->gather_until == 0)
		u->gather_until = now + u->min_wait_us * INT64_C(1000);
	left = u->gather_until > now ? u->gather_until - now : 0;
	if (timeout_ns >= 0 && left >= timeout_ns)
		left = 0; /* the kernel would wait for it beyond the limit */
	taken = pyuring_limited_call(u, to_submit, want, flags, timeout_ns, (uint32_t)((left + 999) / 1000));
	u->gathered = pyuring_now_ns() >= u->gather_until;
	if (u->gathered || io_uring_cq_ready(&u->ring) >= want)
		u->gather_until = 0;
	return taken;
}

/* io_uring_enter: submit `to_submit`, wait for `want` CQEs, `timeout_ns` at the most
 * (negative: for ever). Never retried here: after EINTR Python must run its signal
 * handlers, and a call that submitted something reports that and not EINTR. */
static int pyuring_call(struct pyuring *u, unsigned to_submit, unsigned want, unsigned flags, int64_t timeout_ns)
{
	int taken;

	u->enters++;
	flags |= u->enter_flags;
	if (want == 0 || (timeout_ns < 0 && u->min_wait_us == 0))
		taken = io_uring_enter2(u->enter_fd, to_submit, want, flags, NULL, 8);
	else if (u->min_wait_us)
		taken = pyuring_gathering_call(u, to_submit, want, flags, timeout_ns);
	else
		taken = pyuring_limited_call(u, to_submit, want, flags, timeout_ns, 0);
	if (taken > 0 && !pyuring_is_sqpoll(u))
		u->submitted += taken;
	return taken;
}

/* The SQPOLL thread sleeps when idle. The flag must be read after the tail was
 * published, with a full barrier between them, or both sides wait for ever. */
static unsigned pyuring_wakeup_flag(struct pyuring *u)
{
	if (!pyuring_is_sqpoll(u) || u->disabled)
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
		if (u->disabled)
			return -EBADFD;
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
