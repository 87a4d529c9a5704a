/* Operations about other operations, and about words of memory: what their rows need. */
#ifndef PYURING_TARGETS_H
#define PYURING_TARGETS_H

#include "multishot.h"

/* The slot of the operation with this user_data, while it is in flight. */
static struct pyuring_slot *pyuring_slot_of(struct pyuring *u, uint64_t id)
{
	unsigned slot = id & ((UINT32_C(1) << u->slot_bits) - 1);

	return slot < u->limit && id && u->slots[slot].id == id ? &u->slots[slot] : NULL;
}

/* The multishots that a request to cancel which names none of them is about: the kernel does
 * not know those that are not armed. -1 stands for any descriptor, and for any opcode. */
static void pyuring_stop_matching(struct pyuring *u, int fd, unsigned fixed, int opcode)
{
	unsigned slot;

	for (slot = 0; u->has_multishots && !u->staging && slot < u->limit; slot++) {
		const struct io_uring_sqe *armed = &u->armed[slot];

		if (u->slots[slot].id && u->slots[slot].kind & PYURING_MULTISHOT &&
		    (fd < 0 || (armed->fd == fd && (armed->flags & IOSQE_FIXED_FILE) == fixed)) &&
		    (opcode < 0 || armed->opcode == opcode))
			pyuring_stop(u, &u->slots[slot]);
	}
}

/* What a multishot poll is to wait for when it is armed again. */
static void pyuring_change_poll(struct pyuring *u, uint64_t id, uint32_t events)
{
	const struct pyuring_slot *entry = pyuring_slot_of(u, id);
	struct io_uring_sqe copy = { 0 };

	if (!entry || !(entry->kind & PYURING_MULTISHOT))
		return;
	io_uring_prep_poll_add(&copy, -1, events); /* swaps halves where the machine's order asks for it */
	u->armed[entry - u->slots].poll32_events = copy.poll32_events;
}

static void pyuring_set_time(struct __kernel_timespec *time, double seconds)
{
	int64_t ns = (int64_t)(seconds * 1e9);

	time->tv_sec = ns / 1000000000;
	time->tv_nsec = ns % 1000000000;
}

/* The time of a timer, or the new one of another: kept by slot, as those of time limits are,
 * because a SQPOLL thread reads it late, and a multishot when it is armed again. So these
 * operations have no time limit. */
static struct __kernel_timespec *pyuring_time(struct pyuring *u, uint32_t tag, double seconds)
{
	struct __kernel_timespec *time = &u->timeouts[tag & PYURING_TAG_SLOT];

	pyuring_set_time(time, seconds);
	return time;
}

/* How long a multishot timer is to run when it is armed again. */
static void pyuring_change_timer(struct pyuring *u, uint64_t id, double seconds)
{
	const struct pyuring_slot *entry = pyuring_slot_of(u, id);

	if (entry && entry->kind & PYURING_MULTISHOT)
		pyuring_set_time(&u->timeouts[entry - u->slots], seconds);
}

/* What a request to change a time names: a timer, or the time limit of something else. */
static uint64_t pyuring_timed(const struct pyuring *u, uint32_t slot, bool of_link)
{
	uint64_t id = pyuring_id_of(u, slot);

	return id && of_link ? PYURING_INTERNAL | id : id;
}

/* Advice is about whole pages. */
static int pyuring_check_pages(const char *base, int64_t start)
{
	return ((uintptr_t)base + (uintptr_t)start) % (uintptr_t)sysconf(_SC_PAGESIZE) ? PYURING_BAD_PAGES : 0;
}

/* A futex is four aligned bytes. */
static int pyuring_check_futex(const void *base, uint64_t length, int64_t offset)
{
	if (offset < 0 || length < 4 || (uint64_t)offset > length - 4 || ((uintptr_t)base + (uint64_t)offset) % 4)
		return PYURING_BAD_FUTEX;
	return 0;
}

static int pyuring_set_waiter(void *waiters, uint32_t number, void *base, uint64_t length, int64_t offset,
			      uint32_t value, bool private)
{
	struct pyuring_waiter *waiter = (struct pyuring_waiter *)waiters + number;
	int error = pyuring_check_futex(base, length, offset);

	if (error == 0) {
		waiter->value = value;
		waiter->address = (uintptr_t)base + (uint64_t)offset;
		waiter->flags = PYURING_FUTEX_U32 | (private ? PYURING_FUTEX_PRIVATE : 0);
	}
	return error;
}

/* The bytes of an SQE that are the command's. */
static unsigned pyuring_command_room(const struct pyuring *u)
{
	return (unsigned)pyuring_sqe_size(u) - (unsigned)offsetof(struct io_uring_sqe, cmd);
}

static void pyuring_set_command(const struct pyuring *u, struct io_uring_sqe *sqe, const void *command, uint32_t size)
{
	/* Neither the kernel nor liburing clears it, nor all of an SQE of 128 bytes. */
	memset(sqe->cmd, 0, pyuring_command_room(u));
	memcpy(sqe->cmd, command, size);
}

/* A message without a ring to send it from, and so from any thread. */
static int pyuring_send_message(int fd, uint64_t data, int32_t res)
{
	struct io_uring_sqe sqe = { 0 };

	io_uring_prep_msg_ring(&sqe, fd, (unsigned)res, data, 0);
	return io_uring_register((unsigned)-1, PYURING_REGISTER_SEND_MSG_RING, &sqe, 1);
}

#endif
