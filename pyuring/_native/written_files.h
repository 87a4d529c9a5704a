/* The run that writes whole files: open, then write and close in a chain. And the one that
 * syncs directories, which are opened, synced and closed.
 *
 * Files that are to be synced are written first, as many as are open at a time, and then
 * synced, with closing them in the chain: a journal commits them all with the first.
 *
 * The descriptors are ordinary ones: closing a direct one does not flush, and then network
 * file systems write later, and tell nobody when that fails. A chain needs to know its
 * descriptor, so it begins when the file is open; creating a file is a worker's job anyway.
 */
#ifndef PYURING_WRITTEN_FILES_H
#define PYURING_WRITTEN_FILES_H

#include "files.h"

/* The steps; a key is a file's place << 2 | step. */
enum {
	PYURING_WRITING_OPEN,
	PYURING_WRITING_DATA,
	PYURING_WRITING_SYNC,
	PYURING_WRITING_CLOSE,
	PYURING_WRITING_STEPS,
};

struct pyuring_written {
	uint64_t index;
	const char *path;
	uint64_t done;    /* bytes written */
	int64_t error;    /* -errno */
	int32_t res[PYURING_WRITING_STEPS];
	int fd;
	uint8_t busy;     /* the steps in flight, bit by bit; in the high half those prepared */
	bool idle;
};

/* Filled in by Python as far as `results`. */
struct pyuring_writes {
	struct pyuring_run run;
	bool syncs;
	int flags;            /* to open with */
	uint32_t mode;        /* of files that are made */
	uint64_t count;
	const char *paths;    /* each with a zero byte behind it */
	const struct iovec *data; /* of each file, or NULL: none has any */
	int64_t *results;     /* bytes written, or -errno, by file */

	struct pyuring_written *places; /* run.depth of them, as of the next five */
	uint32_t *idle;
	uint32_t *again;      /* to go on with */
	uint32_t *unopened;   /* which there was no descriptor for */
	uint32_t *unsynced;   /* which are written, and to be synced with others */
	uint32_t *ready;      /* done, or failed */
	uint32_t idle_count;
	uint32_t again_count;
	uint32_t unopened_count;
	uint32_t unsynced_count;
	uint32_t ready_count;
	uint32_t window;      /* how many files at a time */
	uint64_t next;        /* the first file that was not begun */
	uint64_t unsubmitted; /* bytes to be written by what was prepared since the last submission */
	uint64_t failed;
};

static uint64_t pyuring_written_length(const struct pyuring_writes *w, const struct pyuring_written *file)
{
	return w->data ? w->data[file->index].iov_len : 0;
}

static void pyuring_written_again(struct pyuring_writes *w, struct pyuring_written *file)
{
	w->again[w->again_count++] = (uint32_t)(file - w->places);
}

/* All its data is written. */
static void pyuring_written_filled(struct pyuring_writes *w, struct pyuring_written *file)
{
	w->unsynced[w->unsynced_count++] = (uint32_t)(file - w->places);
}

static void pyuring_written_over(struct pyuring_writes *w, struct pyuring_written *file, int64_t error)
{
	file->error = error;
	w->ready[w->ready_count++] = (uint32_t)(file - w->places);
}

/* How many files are begun, not done, and not waiting for a descriptor. */
static uint32_t pyuring_writes_busy(const struct pyuring_writes *w)
{
	return w->run.depth - w->idle_count - w->ready_count - w->unopened_count;
}

static void pyuring_written_opened(struct pyuring_writes *w, struct pyuring_written *file, int32_t res)
{
	uint32_t others = pyuring_writes_busy(w) - 1;

	if (res >= 0) {
		file->fd = res;
		if (w->syncs && pyuring_written_length(w, file) == 0)
			pyuring_written_filled(w, file);
		else
			pyuring_written_again(w, file);
	} else if (res == -EINTR && !w->run.stopped)
		pyuring_written_again(w, file);
	else if ((res == -EMFILE || res == -ENFILE) && others && !w->run.stopped) {
		/* There are fewer descriptors than we thought: wait for one of ours. */
		w->window = others;
		w->unopened[w->unopened_count++] = (uint32_t)(file - w->places);
	} else
		pyuring_written_over(w, file, res);
}

/* All that was in flight for `file` is complete: what it came to. */
static void pyuring_written_settle(struct pyuring_writes *w, struct pyuring_written *file, uint8_t steps)
{
	const int32_t *res = file->res;

	if (steps & 1 << PYURING_WRITING_OPEN) {
		pyuring_written_opened(w, file, res[PYURING_WRITING_OPEN]);
		return;
	}
	/* Unless it was cancelled it is closed, whatever it tells. */
	if (steps & 1 << PYURING_WRITING_CLOSE && res[PYURING_WRITING_CLOSE] != -ECANCELED)
		file->fd = -1;
	if (steps & 1 << PYURING_WRITING_DATA) {
		int32_t written = res[PYURING_WRITING_DATA];

		if (written <= 0 && (written != -EINTR || w->run.stopped)) {
			/* A write that writes nothing, and says nothing, is an error. */
			pyuring_written_over(w, file, written ? written : -EIO);
			return;
		}
		file->done += written > 0 ? (uint64_t)written : 0;
		if (file->done < pyuring_written_length(w, file)) {
			pyuring_written_again(w, file);
			return;
		}
		if (w->syncs) {
			pyuring_written_filled(w, file);
			return;
		}
	}
	if (steps & 1 << PYURING_WRITING_SYNC && res[PYURING_WRITING_SYNC] < 0)
		pyuring_written_over(w, file, res[PYURING_WRITING_SYNC]);
	else if (steps & 1 << PYURING_WRITING_CLOSE && res[PYURING_WRITING_CLOSE] < 0)
		pyuring_written_over(w, file, res[PYURING_WRITING_CLOSE]);
	else
		pyuring_written_over(w, file, 0);
}

static void pyuring_writes_complete(struct pyuring *u, struct pyuring_run *run, uint32_t key,
				    const struct io_uring_cqe *cqe)
{
	struct pyuring_writes *w = (struct pyuring_writes *)run;
	struct pyuring_written *file = &w->places[key / PYURING_WRITING_STEPS];

	(void)u;
	file->res[key % PYURING_WRITING_STEPS] = cqe->res;
	file->busy &= (uint8_t) ~(1 << key % PYURING_WRITING_STEPS);
	if ((file->busy & 0xf) == 0) {
		uint8_t steps = file->busy >> 4;

		file->busy = 0;
		pyuring_written_settle(w, file, steps);
	}
}

static bool pyuring_writes_is_busy(const struct pyuring_run *run, uint32_t key)
{
	const struct pyuring_writes *w = (const struct pyuring_writes *)run;

	return w->places[key / PYURING_WRITING_STEPS].busy & 1 << key % PYURING_WRITING_STEPS;
}

static void pyuring_written_add(struct pyuring *u, struct pyuring_writes *w, struct pyuring_written *file,
				struct io_uring_sqe *sqe, unsigned step, unsigned flags)
{
	file->busy |= (uint8_t)(0x11 << step);
	pyuring_run_track(u, &w->run, sqe, (uint32_t)(file - w->places) * PYURING_WRITING_STEPS + step, flags);
}

/* A chain is soft: a short write cancels what follows, and is continued; by its offset, since
 * one that an error cut short does not move the file's position (6.18). */
static void pyuring_written_prepare(struct pyuring *u, struct pyuring_writes *w, struct pyuring_written *file)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	uint64_t left = pyuring_written_length(w, file) - file->done;
	unsigned piece = (unsigned)(left < PYURING_FILE_PIECE ? left : PYURING_FILE_PIECE);

	if (file->fd < 0) {
		io_uring_prep_openat(sqe, AT_FDCWD, file->path, w->flags | O_CLOEXEC | O_LARGEFILE, w->mode);
		pyuring_written_add(u, w, file, sqe, PYURING_WRITING_OPEN, 0);
		return;
	}
	if (left) {
		io_uring_prep_write(sqe, file->fd, (char *)w->data[file->index].iov_base + file->done, piece, file->done);
		w->unsubmitted += piece;
		pyuring_written_add(u, w, file, sqe, PYURING_WRITING_DATA, piece == left && !w->syncs ? IOSQE_IO_LINK : 0);
		if (piece < left || w->syncs)
			return;
		sqe = io_uring_get_sqe(&u->ring);
	}
	if (w->syncs) {
		io_uring_prep_fsync(sqe, file->fd, 0);
		pyuring_written_add(u, w, file, sqe, PYURING_WRITING_SYNC, IOSQE_IO_LINK);
		sqe = io_uring_get_sqe(&u->ring);
	}
	io_uring_prep_close(sqe, file->fd);
	pyuring_written_add(u, w, file, sqe, PYURING_WRITING_CLOSE, 0);
}

static void pyuring_written_begin(struct pyuring *u, struct pyuring_writes *w)
{
	struct pyuring_written *file = &w->places[w->idle[--w->idle_count]];

	file->index = w->next++;
	file->path = w->paths;
	w->paths += strlen(w->paths) + 1;
	file->done = 0;
	file->error = 0;
	file->fd = -1;
	file->idle = false;
	pyuring_written_prepare(u, w, file);
}

static void pyuring_writes_store(struct pyuring_writes *w)
{
	while (w->ready_count) {
		struct pyuring_written *file = &w->places[w->ready[--w->ready_count]];

		if (file->fd >= 0)
			close(file->fd);
		file->idle = true;
		w->results[file->index] = file->error ? file->error : (int64_t)file->done;
		w->failed += file->error < 0;
		w->idle[w->idle_count++] = (uint32_t)(file - w->places);
	}
}

/* The SQEs of the longest chain. */
#define PYURING_WRITING_SQES 2

static int pyuring_writes_fill(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_writes *w = (struct pyuring_writes *)run;
	int state;

	w->unsubmitted = 0;
	pyuring_writes_store(w);
	for (;;) {
		bool begins = w->next < w->count && w->idle_count;

		if (w->again_count == 0 && (pyuring_writes_busy(w) >= w->window || !(w->unopened_count || begins))) {
			if (run->in_flight || w->unsynced_count == 0)
				return run->in_flight ? PYURING_RUN_FULL : PYURING_RUN_ISSUED;
			while (w->unsynced_count)
				w->again[w->again_count++] = w->unsynced[--w->unsynced_count];
		}
		if (!pyuring_run_has_room(u, PYURING_WRITING_SQES, &state))
			return state;
		if (w->unsubmitted >= PYURING_FILE_SUBMISSION)
			return PYURING_RUN_SUBMIT;
		if (w->again_count)
			pyuring_written_prepare(u, w, &w->places[w->again[--w->again_count]]);
		else if (w->unopened_count)
			pyuring_written_prepare(u, w, &w->places[w->unopened[--w->unopened_count]]);
		else
			pyuring_written_begin(u, w);
	}
}

/* Let go of what a run has, also one that was stopped or never began; twice is once. Nothing
 * of it may be in flight. */
static int pyuring_writes_end(struct pyuring_writes *w)
{
	uint32_t i;

	if (w->run.in_flight)
		return -EBUSY;
	for (i = 0; w->places && i < w->run.depth; i++)
		if (!w->places[i].idle && w->places[i].fd >= 0)
			close(w->places[i].fd);
	free(w->places);
	w->places = NULL;
	return 0;
}

/* Begin the run that `w` describes, the rest of which is zero. */
static int pyuring_writes_begin(struct pyuring *u, struct pyuring_writes *w)
{
	uint32_t depth = w->run.depth, i;

	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	if (u->ring.flags & IORING_SETUP_IOPOLL)
		return PYURING_NOT_POLLED;
	if (u->limit < PYURING_WRITING_SQES || u->ring.sq.ring_entries < PYURING_WRITING_SQES)
		return PYURING_CHAIN_TOO_LONG;
	w->places = calloc(depth, sizeof(*w->places) + 5 * sizeof(uint32_t));
	if (!w->places)
		return -ENOMEM;
	w->idle = (uint32_t *)(w->places + depth);
	w->again = w->idle + depth;
	w->unopened = w->again + depth;
	w->unsynced = w->unopened + depth;
	w->ready = w->unsynced + depth;
	for (i = 0; i < depth; i++) {
		w->idle[i] = depth - 1 - i;
		w->places[i].idle = true;
	}
	w->idle_count = w->window = depth;
	w->run.keys = depth * PYURING_WRITING_STEPS;
	w->run.fill = pyuring_writes_fill;
	w->run.complete = pyuring_writes_complete;
	w->run.is_busy = pyuring_writes_is_busy;
	return pyuring_run_begin(u, &w->run);
}

#endif
