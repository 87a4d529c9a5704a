/* Register calls that are about how a ring works, and what the kernel can tell about itself. */
#ifndef PYURING_TUNING_H
#define PYURING_TUNING_H

#include "targets.h"

/* A register call whose argument is ready made; what it means is Python's business. */
static int pyuring_register_call(struct pyuring *u, uint32_t opcode, void *argument, uint32_t count)
{
	return pyuring_is_mine(u) ? pyuring_register(u, opcode, argument, count) : PYURING_NOT_YOURS;
}

/* Whether the registered eventfd is signalled: 1 or 0, after setting it where `on` is that. */
static int pyuring_eventfd(struct pyuring *u, int on)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (!u->ring.cq.kflags)
		return -EOPNOTSUPP; /* before 5.8 */
	if (on == 1)
		IO_URING_WRITE_ONCE(*u->ring.cq.kflags, *u->ring.cq.kflags & ~IORING_CQ_EVENTFD_DISABLED);
	else if (on == 0)
		IO_URING_WRITE_ONCE(*u->ring.cq.kflags, *u->ring.cq.kflags | IORING_CQ_EVENTFD_DISABLED);
	return !(*u->ring.cq.kflags & IORING_CQ_EVENTFD_DISABLED);
}

/* Tell the kernel, on a ring that is not enabled yet, where the arguments of timed waits are. */
static int pyuring_register_waits(struct pyuring *u)
{
	struct pyuring_region region = { .size = PYURING_WAIT_REGION, .flags = PYURING_REGION_TYPE_USER };
	struct pyuring_region_reg call = { .region_uptr = (uintptr_t)&region, .flags = PYURING_REGION_WAIT_ARG };
	void *page;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	page = mmap(NULL, PYURING_WAIT_REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -ENOMEM;
	region.user_addr = (uintptr_t)page;
	error = pyuring_register(u, PYURING_REGISTER_MEM_REGION, &call, 1);
	if (error < 0) {
		munmap(page, PYURING_WAIT_REGION);
		return error;
	}
	u->reg_wait = page;
	u->reg_wait->flags = PYURING_WAIT_TS;
	return 0;
}

/* Cancel operations, as far as that goes at once: the one in `slot`, or (below 0) those on the
 * descriptor or registered file `file`, or (below 0) all. Returns more
 * than 0 if the kernel found some that may not be over. It is never asked to wait: on 6.18 it does so for ever on a
 * DEFER_TASKRUN ring, because the end of what a worker runs does not wake it. */
static int pyuring_sync_cancel(struct pyuring *u, int64_t slot, int64_t file)
{
	struct io_uring_sync_cancel_reg request = { .fd = -1, .flags = IORING_ASYNC_CANCEL_ALL };
	struct pyuring_target target = { -1, 0 };
	int answer = pyuring_submit(u);

	if (answer < 0)
		return answer;
	if (slot >= 0) {
		if (slot >= u->limit || u->slots[slot].id == 0 || pyuring_stop(u, &u->slots[slot]))
			return 0;
		request.addr = u->slots[slot].id;
		request.flags = 0;
	} else if (file >= 0) {
		if ((answer = pyuring_resolve(u, file, &target)) < 0)
			return answer;
		request.fd = target.fd;
		request.flags |= IORING_ASYNC_CANCEL_FD | (target.flags ? IORING_ASYNC_CANCEL_FD_FIXED : 0);
		pyuring_stop_matching(u, target.fd, target.flags, -1);
	} else {
		request.flags |= IORING_ASYNC_CANCEL_ANY;
		pyuring_stop_matching(u, -1, 0, -1);
	}
	answer = io_uring_register_sync_cancel(&u->ring, &request);
	if (answer == 0 && request.flags & IORING_ASYNC_CANCEL_ALL) {
		/* Of what a worker is at it tells nobody who asks for all. */
		request.flags &= ~IORING_ASYNC_CANCEL_ALL;
		answer = io_uring_register_sync_cancel(&u->ring, &request);
		answer = answer == 0 ? 1 : answer;
	}
	/* What it has found, it finds again until its task work has run. */
	pyuring_call(u, 0, 0, IORING_ENTER_GETEVENTS, -1);
	if (answer == -ETIME || answer == -EALREADY)
		return 1; /* a worker is at it */
	return answer == -ENOENT ? 0 : answer;
}

/* What the kernel has, without a ring; -EINVAL before 6.18. */
static int pyuring_query(struct pyuring_query *answer)
{
	struct pyuring_query_header header = { .query_data = (uintptr_t)answer, .size = sizeof(*answer) };
	int error = io_uring_register((unsigned)-1, PYURING_REGISTER_QUERY, &header, 0);

	return error < 0 ? error : header.result;
}

#endif
