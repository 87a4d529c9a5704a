/* Taking an SQE for an operation, and noting what it is for.
 *
 * Order matters: everything is checked before an SQE is taken, because a taken
 * SQE cannot be given back. Flags and user_data are set after liburing's prep
 * helper, because the helpers of older releases clear them.
 */
#ifndef PYURING_PREPARE_H
#define PYURING_PREPARE_H

#include "ring.h"

/* What every operation goes through is worth a copy in each of their functions, which the
 * compiler would not make for so many; what few of them need is worth none. */
#define PYURING_HOT static inline __attribute__((always_inline))
#define PYURING_COLD static __attribute__((noinline))

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

static struct io_uring_sqe *pyuring_stage(struct pyuring *u)
{
	return memset(pyuring_sqe_at(u, u->stage, u->staged++), 0, pyuring_sqe_size(u));
}

/* An SQE for the operation in `tag`, with room right behind it for its link
 * timeout: the two must reach the kernel in one submission. */
PYURING_HOT int pyuring_take(struct pyuring *u, uint32_t tag, struct io_uring_sqe **sqe)
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
	if (u->counter >> (PYURING_ID_BITS - u->slot_bits))
		return PYURING_EXHAUSTED;
	if (u->staging) {
		*sqe = pyuring_stage(u);
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
	struct io_uring_sqe *sqe = u->staging ? pyuring_stage(u) : io_uring_get_sqe(&u->ring);

	timed->flags |= IOSQE_IO_LINK;
	io_uring_prep_link_timeout(sqe, &u->timeouts[slot], 0);
	sqe->flags |= u->required;
	sqe->user_data = PYURING_INTERNAL | u->slots[slot].id;
	u->slots[slot].parts = 2;
	u->slots[slot].plain = false;
	u->expected++;
}

/* A zero-copy send that has to wait behind a drain would wait for ever, and all that follows
 * too: the kernel (6.18) counts its notification, which is still to come, among what has to
 * be complete first. It does so from the first drain on, even when that is over. The send
 * that copies needs no notification. */
static void pyuring_copy_instead(struct pyuring *u, struct io_uring_sqe *sqe)
{
	if (sqe->opcode == IORING_OP_SEND_ZC)
		sqe->opcode = IORING_OP_SEND;
	else if (sqe->opcode == IORING_OP_SENDMSG_ZC)
		sqe->opcode = IORING_OP_SENDMSG;
	else
		return;
	sqe->ioprio &= IORING_RECVSEND_POLL_FIRST;
	sqe->buf_index = 0;
	u->slots[sqe->user_data & ((UINT32_C(1) << u->slot_bits) - 1)].copied = true;
}

/* What only few operations have: together, so that the others are asked once. */
PYURING_COLD void pyuring_add_extras(struct pyuring *u, uint32_t tag, struct io_uring_sqe *sqe, unsigned kind)
{
	unsigned slot = tag & PYURING_TAG_SLOT;

	if (kind == PYURING_WITH_NOTIFICATION && u->has_drains)
		pyuring_copy_instead(u, sqe);
	if (kind & PYURING_MULTISHOT) {
		u->has_multishots = true;
		u->armed[slot] = *sqe;
		u->armed[slot].flags &= ~IOSQE_IO_DRAIN;
	}
	if (tag & PYURING_TAG_RW)
		sqe->rw_flags = (__kernel_rwf_t)u->slots[slot].flags;
	if (tag & PYURING_TAG_TIMED)
		pyuring_add_timeout(u, sqe, slot);
}

/* How often to ask again after a request to cancel missed an operation. */
#define PYURING_CANCEL_TRIES 3

PYURING_HOT void pyuring_track(struct pyuring *u, uint32_t tag, unsigned flags, struct io_uring_sqe *sqe,
			       unsigned kind, struct pyuring_group *group)
{
	unsigned slot = tag & PYURING_TAG_SLOT;
	struct pyuring_slot *entry = &u->slots[slot];

	entry->id = ++u->counter << u->slot_bits | slot;
	entry->group = group;
	entry->seen = group ? group->publications : 0;
	entry->parts = 1;
	entry->cancels_left = PYURING_CANCEL_TRIES;
	entry->plain = kind == PYURING_ONCE && group == NULL;
	entry->kind = (uint8_t)kind;
	entry->ended_at_once = 0;
	entry->timed_out = entry->cancel_again = entry->notification = entry->copied = false;
	entry->answered = entry->went_on = entry->stopped = entry->starving = entry->unarmed = false;
	sqe->flags |= flags | tag >> PYURING_TAG_FLAGS;
	sqe->user_data = entry->id;
	sqe->personality = u->personality;
	u->has_drains |= (sqe->flags & IOSQE_IO_DRAIN) != 0;
	u->expected++;
	u->in_flight++;
	if (kind != PYURING_ONCE || tag & (PYURING_TAG_TIMED | PYURING_TAG_RW))
		pyuring_add_extras(u, tag, sqe, kind);
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

/* Note the RWF_* flags of the operation about to be prepared in `slot`; see pyuring_arm(). */
static int pyuring_note_rw_flags(struct pyuring *u, uint32_t slot, uint32_t rw_flags)
{
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (slot >= u->limit || u->slots[slot].id != 0)
		return PYURING_BAD_SLOT;
	u->slots[slot].flags = rw_flags;
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

#endif
