/* CQEs that are not all there is to an operation. Part of completions.h.
 *
 * An operation with a time limit posts two, which come in any order. A zero-copy one posts
 * its result and then, when the kernel is done with the memory, a notification. A
 * multishot posts any number. Messages and released resources belong to no operation.
 */

/* The part of a provided buffer that a CQE brought. Where it brought nothing, the buffer
 * goes straight back: nobody would give it back. */
static uint32_t pyuring_take_buffer(struct pyuring *u, const struct pyuring_slot *entry, const struct io_uring_cqe *cqe)
{
	uint16_t bid = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	uint32_t start;

	if (!entry->group || !(cqe->flags & IORING_CQE_F_BUFFER) || bid >= entry->group->count)
		return 0;
	start = pyuring_lend(entry->group, bid, cqe->res > 0 ? (uint32_t)cqe->res : 0,
			     cqe->flags & PYURING_CQE_F_BUF_MORE);
	if (cqe->res <= 0)
		pyuring_give_back(u, entry->group, bid, start, 0);
	return start;
}

/* One CQE of a multishot. */
static void pyuring_reap_shot(struct pyuring *u, unsigned slot, const struct io_uring_cqe *cqe)
{
	struct pyuring_slot *entry = &u->slots[slot];
	uint32_t start = pyuring_take_buffer(u, entry, cqe);
	bool more = cqe->flags & IORING_CQE_F_MORE;

	pyuring_count_down(&u->armed[slot]);
	if (more)
		entry->went_on = true;
	else {
		u->expected--;
		entry->ended_at_once = entry->went_on ? 0 : entry->ended_at_once + 1;
		entry->went_on = false;
		more = pyuring_goes_on(entry, &u->armed[slot], cqe->res);
		if (more && entry->stopped)
			pyuring_end_soon(u, entry);
		else if (more && cqe->res == -ENOBUFS)
			pyuring_starve(u, slot);
		else if (more)
			pyuring_arm_again(u, slot);
		if (cqe->res == -ENOBUFS && more)
			return; /* it brought nothing */
	}
	if (more)
		pyuring_batch_add(u, (int32_t)slot | PYURING_PART, cqe->res, cqe->flags);
	else
		pyuring_emit(u, slot, cqe->res, cqe->flags);
	pyuring_batch_details(u, start, cqe);
}

/* Multishots that were stopped while they were not armed: the kernel knows nothing of them. */
static void pyuring_end_stopped(struct pyuring *u)
{
	const union pyuring_made_cqe made = { .cqe = { .res = -ECANCELED } };
	unsigned slot;

	u->stopped = false;
	for (slot = 0; slot < u->limit; slot++) {
		struct pyuring_slot *entry = &u->slots[slot];

		if (!entry->id || !entry->stopped || !(entry->starving || entry->unarmed))
			continue;
		if (u->batch_size == u->limit) {
			u->stopped = true;
			return;
		}
		u->starving -= entry->starving;
		pyuring_emit(u, slot, -ECANCELED, 0);
		pyuring_batch_details(u, 0, &made.cqe);
	}
}

/* The notification of a zero-copy operation whose result was given before. */
static void pyuring_emit_notification(struct pyuring *u, unsigned slot)
{
	struct pyuring_slot *entry = &u->slots[slot];

	pyuring_batch_add(u, (int32_t)slot, 0, PYURING_NOTIFIED | (entry->copied ? PYURING_COPIED : 0));
	u->notifying--;
	pyuring_free_slot(u, entry);
}

/* Whether a result is that of an operation that was cancelled, or whose worker was. Splice
 * and tee let the kernel's own ERESTARTSYS, 512, and its relatives out. */
static bool pyuring_was_interrupted(int32_t res)
{
	return res == -ECANCELED || res == -EINTR || (res <= -512 && res >= -516);
}

/* Give the result of an operation all of whose CQEs are here, but perhaps its notification. */
static void pyuring_emit_parts(struct pyuring *u, unsigned slot, const struct io_uring_cqe *cqe)
{
	unsigned n = u->batch_size;
	struct pyuring_slot *entry = &u->slots[slot];
	bool cut = entry->timed_out && pyuring_was_interrupted(entry->res);
	uint64_t flags = entry->flags | (cut ? PYURING_TIMED_OUT : 0) | (entry->copied ? PYURING_COPIED : 0);

	if (entry->notification) {
		pyuring_batch_add(u, (int32_t)slot | PYURING_PART, entry->res, flags);
		entry->answered = true;
		u->in_flight--;
		u->notifying++;
		u->completed++;
	} else
		pyuring_emit(u, slot, entry->res, flags);
	if (entry->group || entry->kind || u->batch_extra)
		pyuring_batch_details(u, entry->start, cqe);
	if (u->batch_extra) /* the last CQE may be that of the link timeout */
		memcpy(&u->batch_extra[2 * n], entry->extra, sizeof(entry->extra));
}

/* The link timeout of the operation in `slot` is over. Only with the operation's own CQE
 * does it tell a time limit from a user's cancel. */
static void pyuring_note_timeout(struct pyuring *u, struct pyuring_slot *entry, int32_t res)
{
	/* EALREADY: it fired while a worker ran the operation, which was interrupted.
	 * ENOENT: it fired and missed the operation. One that did not fire has ECANCELED. */
	entry->timed_out = res != -ECANCELED;
	if (--entry->parts && res == -ENOENT)
		pyuring_cancel_again(u, entry);
}

static void pyuring_reap_part(struct pyuring *u, unsigned slot, bool is_timeout, const struct io_uring_cqe *cqe)
{
	struct pyuring_slot *entry = &u->slots[slot];

	if (is_timeout)
		pyuring_note_timeout(u, entry, cqe->res);
	else if (cqe->flags & IORING_CQE_F_NOTIF) {
		entry->notification = false;
		entry->flags &= ~IORING_CQE_F_MORE; /* where its time limit holds up its result */
		entry->copied = cqe->res < 0; /* IORING_NOTIF_USAGE_ZC_COPIED is bit 31 */
		if (entry->answered) {
			pyuring_emit_notification(u, slot);
			pyuring_batch_details(u, 0, cqe);
		}
		if (entry->answered || entry->parts)
			return;
	} else {
		entry->res = cqe->res;
		entry->flags = cqe->flags;
		if (u->batch_extra)
			pyuring_read_extra(u, cqe, entry->extra);
		entry->parts--;
		entry->start = pyuring_take_buffer(u, entry, cqe);
		if (entry->kind == PYURING_WITH_NOTIFICATION && cqe->flags & IORING_CQE_F_MORE) {
			entry->notification = true;
			u->expected++;
		}
	}
	if (entry->parts == 0)
		pyuring_emit_parts(u, slot, cqe);
}

/* The answer to a request to cancel: of interest only if it missed what is in flight. */
static void pyuring_reap_cancel(struct pyuring *u, struct pyuring_slot *entry, uint64_t id, int32_t res)
{
	if (id != 0 && entry->id == id && res == -ENOENT)
		pyuring_cancel_again(u, entry);
}

/* Whatever is not the one CQE of a plain operation. */
static void pyuring_reap_other(struct pyuring *u, const struct io_uring_cqe *cqe)
{
	uint64_t id = cqe->user_data & ~(PYURING_INTERNAL | PYURING_CANCEL);
	bool internal = cqe->user_data & PYURING_INTERNAL;
	unsigned slot = id & ((UINT32_C(1) << u->slot_bits) - 1);

	if (internal && cqe->user_data & PYURING_CANCEL)
		pyuring_reap_cancel(u, &u->slots[slot % u->limit], id, cqe->res);
	else if ((cqe->user_data & PYURING_RUN) == PYURING_RUN)
		pyuring_run_reap(u, cqe);
	else if (!internal && id >> PYURING_ID_BITS) {
		pyuring_batch_add(u, PYURING_NO_SLOT, cqe->res, cqe->flags);
		pyuring_batch_details(u, cqe->user_data, cqe);
	} else if (slot >= u->limit || id == 0 || u->slots[slot].id != id)
		u->unexpected++;
	else if (u->slots[slot].kind & PYURING_MULTISHOT)
		pyuring_reap_shot(u, slot, cqe);
	else {
		u->expected--;
		pyuring_reap_part(u, slot, internal, cqe);
	}
}
