/* Provided buffers: rings of buffers from which the kernel takes one when data is there.
 *
 * A buffer that a CQE names is lent: it is not in the ring until Python gives it back. One
 * CQE can take several buffers (a bundle), which are those that were published after the
 * one it names; and several CQEs can share one buffer (incremental consumption). So each
 * buffer knows its follower, how much of it is used, and how many leases there are on it.
 */
#ifndef PYURING_GROUPS_H
#define PYURING_GROUPS_H

#include "multishot.h"

static struct pyuring_group *pyuring_group_of(const struct pyuring *u, const void *group)
{
	struct pyuring_group *known = u->groups;

	while (known && known != group)
		known = known->next;
	return known;
}

static void pyuring_publish_buffer(struct pyuring_group *group, uint16_t bid)
{
	struct pyuring_provided *buffer = &group->buffers[bid];

	buffer->length = group->size;
	buffer->used = 0;
	buffer->ended = false;
	buffer->entry = group->ring->tail & (group->count - 1);
	group->buffers[group->last].next = bid;
	group->last = bid;
	group->published++;
	group->publications++;
	io_uring_buf_ring_add(group->ring, group->slab + (size_t)bid * group->size, group->size, bid,
			      io_uring_buf_ring_mask(group->count), 0);
	io_uring_buf_ring_advance(group->ring, 1);
}

/* The smallest group id that is not in use here. */
static int pyuring_free_group_id(const struct pyuring *u)
{
	int id = 0;
	const struct pyuring_group *group = u->groups;

	while (group)
		if (group->id == id) {
			id++;
			group = u->groups;
		} else
			group = group->next;
	return id;
}

static int pyuring_provide_ring(struct pyuring *u, struct pyuring_group *group, void *ring, unsigned flags, int id)
{
	struct io_uring_buf_reg reg;

	memset(&reg, 0, sizeof(reg));
	reg.ring_addr = (uintptr_t)ring;
	reg.ring_entries = group->count;
	reg.bgid = group->id = (uint16_t)(id < 0 ? pyuring_free_group_id(u) : id);
	PYURING_BUF_REG_FLAGS(reg) = (uint16_t)flags;
	group->ring = ring;
	group->incremental = flags & PYURING_PBUF_RING_INC;
	io_uring_buf_ring_init(ring);
	/* The call itself, because liburing's function overwrites the flags. */
	return pyuring_register(u, IORING_REGISTER_PBUF_RING, &reg, 1);
}

/* Register a ring of `count` buffers of `size` bytes and publish them all. `id` < 0 picks
 * one. All memory is Python's, and must stay until the group is taken out again. */
static int pyuring_provide(struct pyuring *u, struct pyuring_group *group, struct pyuring_provided *buffers, void *ring,
			   void *slab, uint32_t count, uint32_t size, uint32_t flags, int id)
{
	uint32_t bid;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	group->buffers = buffers;
	group->slab = slab;
	group->count = count;
	group->size = size;
	error = pyuring_provide_ring(u, group, ring, flags, id);
	if (error < 0)
		return error;
	for (bid = 0; bid < count; bid++)
		pyuring_publish_buffer(group, (uint16_t)bid);
	group->next = u->groups;
	u->groups = group;
	return group->id;
}

/* Take a group out; -EBUSY while operations use it. */
static int pyuring_take_out(struct pyuring *u, void *known)
{
	struct io_uring_buf_reg reg;
	struct pyuring_group **link, *group = pyuring_group_of(u, known);
	unsigned slot;
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (!group)
		return 0;
	for (slot = 0; slot < u->limit; slot++)
		if (u->slots[slot].id && u->slots[slot].group == group)
			return -EBUSY;
	memset(&reg, 0, sizeof(reg));
	reg.bgid = group->id;
	error = pyuring_register(u, IORING_UNREGISTER_PBUF_RING, &reg, 1);
	if (error < 0)
		return error;
	for (link = &u->groups; *link != group; link = &(*link)->next)
		;
	*link = group->next;
	return 0;
}

/* How many buffers the kernel has yet to take: the end of the ring less the kernel's own place in it. */
static int pyuring_left(struct pyuring *u, void *known)
{
	struct pyuring_buf_status status = { 0 };
	const struct pyuring_group *group = pyuring_group_of(u, known);
	int error;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (!group)
		return PYURING_BAD_TABLE;
	status.group = group->id;
	error = pyuring_register(u, PYURING_REGISTER_PBUF_STATUS, &status, 1);
	return error < 0 ? error : (uint16_t)(group->ring->tail - status.head);
}

/* A CQE names a buffer: it and those that follow, as far as `length` goes, are lent.
 * Returns where in the buffer the data begins. */
static uint32_t pyuring_lend(struct pyuring_group *group, uint16_t bid, uint32_t length, bool more)
{
	uint32_t start = group->buffers[bid].used, turn;

	group->leases++;
	for (turn = 0; turn < group->count; turn++) {
		struct pyuring_provided *buffer = &group->buffers[bid];
		uint32_t room, part;

		/* Where a bundle is to end in a buffer, the kernel shortens its entry, and
		 * leaves it so if then nothing came. But where a worker thread has kept the
		 * buffer for long, its place may be another one's by now. */
		if (!group->incremental && group->ring->bufs[buffer->entry].bid == bid)
			buffer->length = group->ring->bufs[buffer->entry].len;
		room = buffer->length - buffer->used;
		part = length < room ? length : room;
		buffer->leases++;
		buffer->used += part;
		length -= part;
		buffer->ended = length != 0 || !more;
		group->published -= buffer->ended;
		if (length == 0)
			break;
		bid = buffer->next;
	}
	return start;
}

/* Python is done with what a CQE brought, `length` bytes from `start` in buffer `bid`.
 * Returns whether a multishot was armed again, which then is to be submitted. */
static int pyuring_give_back(struct pyuring *u, void *known, uint32_t bid, uint32_t start, uint32_t length)
{
	struct pyuring_group *group;
	uint32_t turn;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	group = pyuring_group_of(u, known);
	if (!group || bid >= group->count || group->leases == 0)
		return -EINVAL;
	group->leases--;
	for (turn = 0; turn < group->count; turn++) {
		struct pyuring_provided *buffer = &group->buffers[bid];
		uint32_t room = buffer->length - start, part = length < room ? length : room;
		uint16_t next = buffer->next;

		if (--buffer->leases == 0 && buffer->ended)
			pyuring_publish_buffer(group, (uint16_t)bid);
		length -= part;
		if (length == 0)
			break;
		bid = next;
		start = 0;
	}
	return pyuring_feed(u, group);
}

#endif
