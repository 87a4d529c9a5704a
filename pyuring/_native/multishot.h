/* Multishot operations: one SQE, many CQEs, armed again when the kernel ends one early.
 *
 * The kernel ends a multishot where it runs out of provided buffers, and where the CQ has
 * no room. Neither is its user's business: it is armed again from a copy of its SQE, in
 * the first case as soon as there is a buffer. Its slot stays, its id is a new one.
 */
#ifndef PYURING_MULTISHOT_H
#define PYURING_MULTISHOT_H

#include "cancel.h"

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
	entry->parts = 1;
	u->expected++;
	u->rearmed++;
}

/* What found no room in the SQ before. */
static void pyuring_arm_the_rest(struct pyuring *u)
{
	unsigned slot;

	u->unarmed = false;
	for (slot = 0; slot < u->limit; slot++)
		if (u->slots[slot].id && u->slots[slot].unarmed && !u->slots[slot].stopped)
			pyuring_arm_again(u, slot);
}

/* A buffer has come back: whoever waits for one of this group can go on. */
static void pyuring_feed(struct pyuring *u, const struct pyuring_group *group)
{
	unsigned slot;

	for (slot = 0; u->starving && slot < u->limit; slot++) {
		struct pyuring_slot *entry = &u->slots[slot];

		if (entry->id && entry->starving && entry->group == group && !entry->stopped)
			pyuring_arm_again(u, slot);
	}
}

static void pyuring_starve(struct pyuring *u, struct pyuring_slot *entry)
{
	entry->starving = true;
	u->starving++;
}

/* Whether the last CQE of a multishot is not the end of what it is for. A timer knows
 * how often it was to go off, and its copy counts down. */
static bool pyuring_goes_on(const struct pyuring_slot *entry, const struct io_uring_sqe *armed, int32_t res)
{
	if (entry->stopped)
		return false;
	switch (armed->opcode) {
	case IORING_OP_TIMEOUT:
		return res == -ETIME && armed->off != UINT64_MAX;
	case IORING_OP_ACCEPT:
		return res >= 0;
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
