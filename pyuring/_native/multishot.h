/* Multishot operations: one SQE, many CQEs, armed again when the kernel ends one early.
 *
 * The kernel ends a multishot where it runs out of provided buffers, and where the CQ has
 * no room. Neither is its user's business: it is armed again from a copy of its SQE, in
 * the first case as soon as there is a buffer. Its slot stays, its id is a new one.
 */
#ifndef PYURING_MULTISHOT_H
#define PYURING_MULTISHOT_H

#include "cancel.h"
#include "messages.h"

/* Put the copy of the SQE into the SQ; it goes out with whatever is submitted next. */
static void pyuring_arm_again(struct pyuring *u, unsigned slot)
{
	struct pyuring_slot *entry = &u->slots[slot];
	struct io_uring_sqe *sqe;

	u->starving -= entry->starving;
	entry->starving = false;
	entry->unarmed = pyuring_space(u) < 1;
	if (entry->unarmed) {
		u->unarmed = true;
		return;
	}
	sqe = io_uring_get_sqe(&u->ring);
	*sqe = u->armed[slot];
	entry->id = ++u->counter << u->slot_bits | slot;
	sqe->user_data = entry->id;
	entry->seen = entry->group ? entry->group->publications : 0;
	entry->parts = 1;
	u->expected++;
	u->rearmed++;
}

/* What found no room in the SQ before: the kernel must know of it before anything is waited for. */
static int pyuring_arm_the_rest(struct pyuring *u)
{
	unsigned slot;
	int error = 0;

	while (u->unarmed && error >= 0) {
		u->unarmed = false;
		for (slot = 0; slot < u->limit; slot++)
			if (u->slots[slot].id && u->slots[slot].unarmed && !u->slots[slot].stopped)
				pyuring_arm_again(u, slot);
		if (u->unarmed)
			error = pyuring_make_space(u, 1);
	}
	return error;
}

/* A buffer has come back: whoever waits for one of this group can go on, and is in the SQ. */
static int pyuring_feed(struct pyuring *u, const struct pyuring_group *group)
{
	unsigned slot;
	int armed = 0;

	for (slot = 0; u->starving && slot < u->limit; slot++) {
		struct pyuring_slot *entry = &u->slots[slot];

		if (entry->id && entry->starving && entry->group == group && !entry->stopped) {
			pyuring_arm_again(u, slot);
			armed = 1;
		}
	}
	return armed;
}

/* The kernel found no buffer for a multishot. If one was published since it was armed, it
 * may be there now; if not, there is none before one comes back, even where by our count
 * there are some: operations that a worker thread runs keep theirs until they end. */
static void pyuring_starve(struct pyuring *u, unsigned slot)
{
	struct pyuring_slot *entry = &u->slots[slot];

	u->starved++;
	if (entry->group && entry->group->published && entry->group->publications != entry->seen) {
		pyuring_arm_again(u, slot);
		return;
	}
	entry->starving = true;
	u->starving++;
}

/* A multishot that would go on was stopped: it ends when completions are reaped next. */
static void pyuring_end_soon(struct pyuring *u, struct pyuring_slot *entry)
{
	entry->unarmed = true;
	u->stopped = true;
}

/* What precedes the data of a message in a provided buffer. */
static int32_t pyuring_message_header(const struct io_uring_sqe *armed)
{
	const struct pyuring_message *message = (const struct pyuring_message *)(uintptr_t)armed->addr;

	return (int32_t)(sizeof(struct io_uring_recvmsg_out) + (size_t)message->namelen + message->controllen);
}

/* A poll of what cannot be waited for (a regular file, /dev/null) is over as soon as it is armed,
 * always with the same events. One that the CQ had no room for is not, at least not so often. */
#define PYURING_POLLS_IN_VAIN 16

/* Whether the last CQE of a multishot is not the end of what it is for. A timer knows
 * how often it was to go off, and its copy counts down. */
static bool pyuring_goes_on(const struct pyuring_slot *entry, const struct io_uring_sqe *armed, int32_t res)
{
	switch (armed->opcode) {
	case IORING_OP_TIMEOUT:
		return res == -ETIME && armed->off != UINT64_MAX;
	case IORING_OP_ACCEPT:
		return res >= 0;
	case IORING_OP_RECVMSG:
		return res == -ENOBUFS || res > pyuring_message_header(armed) ||
		       (res > 0 && entry->kind & PYURING_EMPTY_IS_DATA);
	case IORING_OP_POLL_ADD:
		return res > 0 && entry->ended_at_once < PYURING_POLLS_IN_VAIN;
	default:
		return res > 0 || res == -ENOBUFS || (res == 0 && entry->kind & PYURING_EMPTY_IS_DATA);
	}
}

/* A timer that goes off a number of times: one less. 0 is for ever, all ones is over. */
static void pyuring_count_down(struct io_uring_sqe *armed)
{
	if (armed->opcode == IORING_OP_TIMEOUT && armed->off != 0 && --armed->off == 0)
		armed->off = UINT64_MAX;
}

#endif
