/* The run that reads or writes ranges of files. */
#ifndef PYURING_RANGES_H
#define PYURING_RANGES_H

#include "integers.h"
#include "run_table.h"

/* What one SQE transfers at most: a transfer from the page cache is done in one go, in which
 * no signal is handled; and that is what one submission holds at most. */
#define PYURING_PIECE (UINT64_C(16) << 20)
#define PYURING_SUBMISSION (UINT64_C(32) << 20)
/* A file that is always ready and never has anything is not asked for ever. */
#define PYURING_READY_IN_VAIN 64

struct pyuring_range {
	uint64_t index;
	char *memory;
	uint64_t offset;
	uint64_t length;
	uint64_t done;
	struct pyuring_target file;
	uint16_t in_vain; /* times in a row that it was ready and had nothing */
	bool busy;
	bool polled;
	bool bounced; /* what is in flight reads whole blocks into the piece of `bounce` */
	bool stream; /* a socket, which goes on where it is and refuses any other offset */
};

/* Python's memory, filled in by it but for what is below `slots`. */
struct pyuring_ranges {
	struct pyuring_run run;
	bool writes;
	bool fixed;             /* `memory` is registered, as number `buffer` */
	bool lends;             /* the ring is the library's own: its table is for the one file */
	uint32_t buffer;
	const uint64_t *live;   /* the key of the table that it is registered in */
	uint64_t count;
	int64_t file;           /* of all ranges, or, if `files`, there one for each */
	const int64_t *files;
	struct pyuring_integers offsets;
	struct pyuring_integers lengths;
	char *memory;           /* the ranges' one after another */
	uint64_t size;
	const struct iovec *pieces; /* or, if not NULL, each range's own, which have the lengths too */
	int64_t *results;       /* bytes transferred, or -errno, by range */
	char *bounce;           /* for reads of what is not aligned: run.depth pieces of memory of */
	uint64_t bounce_size;   /* so many bytes each, a multiple of */
	uint64_t block;         /* what offsets, lengths and addresses of reads must be multiples of */
	struct pyuring_range *slots; /* run.depth of them, as of the next two */
	uint32_t *idle;
	uint32_t *again;        /* to be prepared again, for what is missing */

	uint32_t idle_count;
	uint32_t again_count;
	uint64_t next;          /* the first range that was not begun */
	uint64_t position;      /* of its memory */
	uint64_t unsubmitted;   /* bytes prepared since the last submission, about */
	struct pyuring_target target; /* `file`, where that is all ranges' */
	bool lent;              /* it is in the table */
	uint64_t failed;
};

/* What is wrong with the range that pyuring_ranges_check() stopped at. */
enum {
	PYURING_RANGE_BAD_FILE = 1,
	PYURING_RANGE_BAD_OFFSET = 2,
	PYURING_RANGE_BAD_LENGTH = 3,
	PYURING_RANGE_BEYOND_FILES = 4,  /* offset + length is no file's */
	PYURING_RANGE_BEYOND_MEMORY = 5,
};

static int64_t pyuring_range_length(const struct pyuring_ranges *r, uint64_t index)
{
	return r->pieces ? (int64_t)r->pieces[index].iov_len : pyuring_integer(&r->lengths, index);
}

/* Whether all offsets are right for ranges of one length; what compilers make a fast loop of. */
static bool pyuring_ranges_are_plain(const struct pyuring_ranges *r)
{
	const int64_t *offsets = (const int64_t *)(const void *)r->offsets.items;
	int64_t length = r->lengths.first, last = INT64_MAX - length;
	uint64_t i, wrong = 0;

	if (r->files || r->pieces || r->lengths.items || r->lengths.step || length <= 0 || !offsets ||
	    r->offsets.width != -8 || (uintptr_t)offsets % sizeof(*offsets) || r->next || r->count > r->size / (uint64_t)length)
		return false;
	for (i = 0; i < r->count; i++)
		wrong |= (uint64_t)offsets[i] > (uint64_t)last;
	return !wrong;
}

/* Check every range from `next` on; `next` and `position` move to the first that is wrong, or
 * to the end. Returns what is wrong, or 0. With `size` UINT64_MAX this sums up the lengths. */
static int pyuring_ranges_check(struct pyuring *u, struct pyuring_ranges *r)
{
	struct pyuring_target one;

	if (pyuring_ranges_are_plain(r) && pyuring_resolve(u, r->file, &one) == 0) {
		r->next = r->count;
		r->position = r->count * (uint64_t)r->lengths.first;
		return 0;
	}
	for (; r->next < r->count; r->next++) {
		int64_t offset = pyuring_integer(&r->offsets, r->next), length = pyuring_range_length(r, r->next);
		struct pyuring_target target;

		if ((r->files || r->next == 0) &&
		    pyuring_resolve(u, r->files ? r->files[r->next] : r->file, &target) < 0)
			return PYURING_RANGE_BAD_FILE;
		if (offset < 0)
			return PYURING_RANGE_BAD_OFFSET;
		if (length < 0)
			return PYURING_RANGE_BAD_LENGTH;
		if (length > INT64_MAX - offset)
			return PYURING_RANGE_BEYOND_FILES;
		if ((uint64_t)length > r->size - r->position)
			return PYURING_RANGE_BEYOND_MEMORY;
		r->position += (uint64_t)length;
	}
	return 0;
}

static void pyuring_range_over(struct pyuring_ranges *r, struct pyuring_range *range, int64_t result)
{
	r->results[range->index] = result;
	r->failed += result < 0;
	r->idle[r->idle_count++] = (uint32_t)(range - r->slots);
}

static void pyuring_range_again(struct pyuring_ranges *r, struct pyuring_range *range)
{
	r->again[r->again_count++] = (uint32_t)(range - r->slots);
}

/* Where what is missing of a range goes first: whole blocks, as many as the piece holds. */
static void pyuring_range_widen(const struct pyuring_ranges *r, const struct pyuring_range *range, uint64_t *start,
				uint64_t *length)
{
	uint64_t from = range->offset + range->done, end = range->offset + range->length;

	*start = from / r->block * r->block;
	*length = (end - *start + r->block - 1) / r->block * r->block;
	if (*length > r->bounce_size)
		*length = r->bounce_size;
}

static char *pyuring_range_bounce(const struct pyuring_ranges *r, const struct pyuring_range *range)
{
	return r->bounce + (uint64_t)(range - r->slots) * r->bounce_size;
}

/* Whether what is missing of a range has to be read by whole blocks. */
static bool pyuring_range_is_ragged(const struct pyuring_ranges *r, const struct pyuring_range *range)
{
	uint64_t all = (range->offset + range->done) | (range->length - range->done) |
		       (uint64_t)(uintptr_t)(range->memory + range->done);

	return r->block && all % r->block != 0;
}

/* `res` bytes of whole blocks were read: keep what belongs to the range. Returns how much. */
static uint64_t pyuring_range_keep(const struct pyuring_ranges *r, const struct pyuring_range *range, uint64_t res)
{
	uint64_t start, length, before, left = range->length - range->done;

	pyuring_range_widen(r, range, &start, &length);
	before = range->offset + range->done - start;
	if (res <= before)
		return 0; /* less than a block: the file ends before it */
	if (res - before < left)
		left = res - before;
	memcpy(range->memory + range->done, pyuring_range_bounce(r, range) + before, left);
	return left;
}

/* Whether an EINVAL only says that the file ended in the middle of a block: what O_DIRECT read
 * of that is no place from which it can go on. */
static bool pyuring_range_ended(const struct pyuring_ranges *r, const struct pyuring_range *range, int32_t res)
{
	return res == -EINVAL && !r->writes && range->done && (range->offset + range->done) % 4096 != 0;
}

static void pyuring_range_refused(const struct pyuring *u, struct pyuring_ranges *r, struct pyuring_range *range,
				  int32_t res)
{
	bool stopped = r->run.stopped;

	if (!stopped && res == -EINTR)
		pyuring_range_again(r, range);
	else if (!stopped && res == -EAGAIN && range->in_vain < PYURING_READY_IN_VAIN) {
		range->in_vain++;
		range->polled = !(u->ring.flags & IORING_SETUP_IOPOLL); /* has no other polling */
		pyuring_range_again(r, range);
	} else if (!stopped && res == -ESPIPE && range->done && !range->stream) {
		range->stream = true;
		pyuring_range_again(r, range);
	} else if (pyuring_range_ended(r, range, res))
		pyuring_range_over(r, range, (int64_t)range->done);
	else
		pyuring_range_over(r, range, res);
}

static void pyuring_ranges_complete(struct pyuring *u, struct pyuring_run *run, uint32_t key,
				    const struct io_uring_cqe *cqe)
{
	struct pyuring_ranges *r = (struct pyuring_ranges *)run;
	struct pyuring_range *range = &r->slots[key];
	bool polled = range->polled;
	uint64_t moved;

	range->busy = range->polled = false;
	if (cqe->res < 0)
		pyuring_range_refused(u, r, range, cqe->res);
	else if (polled)
		pyuring_range_again(r, range);
	else if ((moved = range->bounced ? pyuring_range_keep(r, range, (uint64_t)cqe->res) : (uint64_t)cqe->res) == 0)
		/* The end of the file; a write that writes nothing, and says nothing, is an error. */
		pyuring_range_over(r, range, r->writes ? -EIO : (int64_t)range->done);
	else {
		range->in_vain = 0;
		range->done += moved;
		if (range->done >= range->length)
			pyuring_range_over(r, range, (int64_t)range->done);
		else
			pyuring_range_again(r, range);
	}
}

static bool pyuring_ranges_is_busy(const struct pyuring_run *run, uint32_t key)
{
	return ((const struct pyuring_ranges *)run)->slots[key].busy;
}

static void pyuring_range_prepare(struct pyuring *u, struct pyuring_ranges *r, struct pyuring_range *range)
{
	struct io_uring_sqe *sqe = pyuring_run_sqe(u);
	uint64_t left = range->length - range->done;
	unsigned length = (unsigned)(left < PYURING_PIECE ? left : PYURING_PIECE);
	int opcode = r->writes ? IORING_OP_WRITE : IORING_OP_READ;
	uint64_t start, whole;

	range->bounced = !range->polled && pyuring_range_is_ragged(r, range);
	if (range->bounced) {
		pyuring_range_widen(r, range, &start, &whole);
		io_uring_prep_rw(IORING_OP_READ, sqe, range->file.fd, pyuring_range_bounce(r, range), (unsigned)whole, start);
		r->unsubmitted += whole;
	} else if (range->polled)
		io_uring_prep_poll_add(sqe, range->file.fd, r->writes ? POLLOUT : POLLIN);
	else {
		if (r->fixed)
			opcode = r->writes ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
		io_uring_prep_rw(opcode, sqe, range->file.fd, range->memory + range->done, length,
				 range->offset + (range->stream ? 0 : range->done));
		sqe->buf_index = r->fixed ? (uint16_t)r->buffer : 0;
		r->unsubmitted += length;
	}
	range->busy = true;
	pyuring_run_track(u, &r->run, sqe, (uint32_t)(range - r->slots), range->file.flags);
}

/* Begin the next range, for which there is room; returns whether that took an SQE. Everything
 * was checked before, but what another thread changed since must not lead out of the memory. */
static bool pyuring_range_begin(struct pyuring *u, struct pyuring_ranges *r)
{
	uint64_t index = r->next++;
	uint64_t length = (uint64_t)pyuring_range_length(r, index);
	int64_t offset = pyuring_integer(&r->offsets, index);
	struct pyuring_range *range;

	if (offset < 0 || (!r->pieces && length > r->size - r->position)) {
		r->results[index] = -EFAULT;
		r->failed++;
		return false;
	}
	if (length == 0) {
		r->results[index] = 0;
		return false;
	}
	range = &r->slots[r->idle[--r->idle_count]];
	range->index = index;
	range->memory = r->pieces ? r->pieces[index].iov_base : r->memory + r->position;
	range->offset = (uint64_t)offset;
	range->length = length;
	range->done = 0;
	range->in_vain = 0;
	range->polled = range->stream = false;
	r->position += length;
	if (!r->files)
		range->file = r->target;
	else if (pyuring_resolve(u, r->files[index], &range->file) < 0) {
		pyuring_range_over(r, range, -EBADF); /* unregistered by a signal handler */
		return false;
	}
	pyuring_range_prepare(u, r, range);
	return true;
}

/* Whether what is registered still is; a signal handler may have been there. */
static bool pyuring_ranges_are_valid(struct pyuring *u, struct pyuring_ranges *r)
{
	if (r->fixed && *r->live != u->buffers_key)
		return false;
	return r->files || r->lent || pyuring_resolve(u, r->file, &r->target) == 0;
}

/* All that was not begun fails. */
static int pyuring_ranges_give_up(struct pyuring_ranges *r)
{
	while (r->again_count)
		pyuring_range_over(r, &r->slots[r->again[--r->again_count]], -EBADF);
	for (; r->next < r->count; r->next++, r->failed++)
		r->results[r->next] = -EBADF;
	return PYURING_RUN_ISSUED;
}

static int pyuring_ranges_fill(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_ranges *r = (struct pyuring_ranges *)run;
	unsigned room = pyuring_run_room(u);
	int state;

	r->unsubmitted = 0;
	if (!pyuring_ranges_are_valid(u, r))
		return pyuring_ranges_give_up(r);
	while (r->again_count || (r->next < r->count && r->idle_count)) {
		if (room == 0 && !pyuring_run_has_room(u, 1, &state))
			return state;
		if (r->unsubmitted >= PYURING_SUBMISSION)
			return PYURING_RUN_SUBMIT;
		if (r->again_count)
			pyuring_range_prepare(u, r, &r->slots[r->again[--r->again_count]]);
		else if (!pyuring_range_begin(u, r))
			continue;
		room -= room > 0;
	}
	return r->next < r->count ? PYURING_RUN_FULL : PYURING_RUN_ISSUED;
}

static void pyuring_ranges_end(struct pyuring *u, struct pyuring_run *run)
{
	pyuring_unlend_file(u, run);
}

/* From so many ranges on it pays to look up their file but once. */
#define PYURING_WORTH_LENDING 64

/* Begin the run that `r` describes, whose ranges were checked. */
static int pyuring_ranges_begin(struct pyuring *u, struct pyuring_ranges *r)
{
	int error;
	uint32_t i;

	r->next = r->position = r->failed = 0;
	r->again_count = 0;
	r->idle_count = r->run.depth;
	for (i = 0; i < r->run.depth; i++)
		r->idle[i] = r->run.depth - 1 - i;
	r->run.keys = r->run.depth;
	r->run.fill = pyuring_ranges_fill;
	r->run.complete = pyuring_ranges_complete;
	r->run.is_busy = pyuring_ranges_is_busy;
	r->run.end = pyuring_ranges_end;
	error = pyuring_run_begin(u, &r->run);
	if (error < 0 || !r->lends || r->files || r->count < PYURING_WORTH_LENDING ||
	    pyuring_resolve(u, r->file, &r->target) < 0)
		return error;
	r->lent = pyuring_lend_file(u, &r->run, r->target.fd);
	if (r->lent)
		r->target = (struct pyuring_target){ 0, IOSQE_FIXED_FILE };
	return 0;
}

#endif
