/* The run that reads or writes ranges of files. */
#ifndef PYURING_RANGES_H
#define PYURING_RANGES_H

#include "integers.h"
#include "run_loop.h"

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
	bool stream; /* a socket, which goes on where it is and refuses any other offset */
};

/* Python's memory, filled in by it but for what is below `slots`. */
struct pyuring_ranges {
	struct pyuring_run run;
	bool writes;
	bool fixed;             /* `memory` is registered, as number `buffer` */
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
	struct pyuring_range *slots; /* run.depth of them, as of the next two */
	uint32_t *idle;
	uint32_t *again;        /* to be prepared again, for what is missing */

	uint32_t idle_count;
	uint32_t again_count;
	uint64_t next;          /* the first range that was not begun */
	uint64_t position;      /* of its memory */
	uint64_t unsubmitted;   /* bytes prepared since the last submission, about */
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

/* Check every range from `next` on; `next` and `position` move to the first that is wrong, or
 * to the end. Returns what is wrong, or 0. With `size` UINT64_MAX this sums up the lengths. */
static int pyuring_ranges_check(struct pyuring *u, struct pyuring_ranges *r)
{
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

	range->busy = range->polled = false;
	if (cqe->res < 0)
		pyuring_range_refused(u, r, range, cqe->res);
	else if (polled)
		pyuring_range_again(r, range);
	else if (cqe->res == 0)
		/* The end of the file; a write that writes nothing, and says nothing, is an error. */
		pyuring_range_over(r, range, r->writes ? -EIO : (int64_t)range->done);
	else {
		range->in_vain = 0;
		range->done += (uint64_t)cqe->res;
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
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	uint64_t left = range->length - range->done;
	unsigned length = (unsigned)(left < PYURING_PIECE ? left : PYURING_PIECE);
	int opcode = r->writes ? IORING_OP_WRITE : IORING_OP_READ;

	if (range->polled)
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

/* Begin the next range, for which there is room. Everything was checked before, but what
 * another thread changed since must not lead out of the memory. */
static int pyuring_range_begin(struct pyuring *u, struct pyuring_ranges *r)
{
	uint64_t index = r->next++;
	uint64_t length = (uint64_t)pyuring_range_length(r, index);
	int64_t offset = pyuring_integer(&r->offsets, index);
	struct pyuring_range *range;
	int error;

	if (offset < 0 || (!r->pieces && length > r->size - r->position)) {
		r->results[index] = -EFAULT;
		r->failed++;
		return 0;
	}
	if (length == 0) {
		r->results[index] = 0;
		return 0;
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
	error = pyuring_resolve(u, r->files ? r->files[index] : r->file, &range->file);
	if (error == 0 && r->fixed && *r->live != u->buffers_key)
		error = PYURING_BAD_TABLE;
	if (error < 0)
		/* By a signal handler, since they were checked. */
		pyuring_range_over(r, range, -EBADF);
	else
		pyuring_range_prepare(u, r, range);
	return 0;
}

static int pyuring_ranges_fill(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_ranges *r = (struct pyuring_ranges *)run;
	int state = PYURING_RUN_ISSUED;

	r->unsubmitted = 0;
	while (r->again_count || (r->next < r->count && r->idle_count)) {
		if (!pyuring_run_has_room(u, 1, &state))
			return state;
		if (r->unsubmitted >= PYURING_SUBMISSION)
			return PYURING_RUN_SUBMIT;
		if (r->again_count)
			pyuring_range_prepare(u, r, &r->slots[r->again[--r->again_count]]);
		else if ((state = pyuring_range_begin(u, r)) < 0)
			return state;
	}
	return r->next < r->count ? PYURING_RUN_FULL : PYURING_RUN_ISSUED;
}

/* Begin the run that `r` describes, whose ranges were checked. */
static int pyuring_ranges_begin(struct pyuring *u, struct pyuring_ranges *r)
{
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
	return pyuring_run_begin(u, &r->run);
}

#endif
