/* The run that reads whole files, as many as there are paths.
 *
 * Most files are one chain: open, a look whether it is a pipe, read, read one byte more. They
 * are opened into the table of registered files, where the next file takes the last one's
 * place, so closing costs nothing. What a chain cannot do, going on with a long file or one
 * that gives what it has by the spoonful, is done step by step.
 */
#ifndef PYURING_FILES_H
#define PYURING_FILES_H

#include <fcntl.h>
#include <sys/stat.h>

#include "run_loop.h"

/* What is read of a file before memory of its own is made for it. A file's place in the slab
 * is longer, so that not all places compete for the same lines of the cache. */
#define PYURING_FILE_ROOM 65536
#define PYURING_FILE_STRIDE (PYURING_FILE_ROOM + 4096 + 64)
/* As in ranges.h: what one SQE, and one submission, reads at most. */
#define PYURING_FILE_PIECE (UINT64_C(16) << 20)
#define PYURING_FILE_SUBMISSION (UINT64_C(32) << 20)

/* The steps; a key is a file's place << 2 | step. */
enum {
	PYURING_STEP_OPEN,
	PYURING_STEP_GUARD, /* advice, which a pipe refuses: a read would take what is for others */
	PYURING_STEP_READ,
	PYURING_STEP_PROOF, /* one byte more: that a read was short does not tell that the file is */
	PYURING_STEPS,
};

/* What is to be done next with a file that is neither idle nor in flight. */
enum {
	PYURING_FILE_OPEN,  /* once more */
	PYURING_FILE_LOOK,  /* it is open, and that is all */
	PYURING_FILE_READ,  /* go on */
	PYURING_FILE_GROW,  /* it has filled its memory */
	PYURING_FILE_DONE,  /* read, or failed */
	PYURING_FILE_LEFT,  /* for later */
	PYURING_FILE_IDLE,  /* no file is here */
};

struct pyuring_file {
	uint64_t index;
	const char *path;
	char *memory;
	uint64_t room;    /* bytes of it */
	uint64_t done;    /* bytes read */
	char *place;      /* in the slab, whose memory it is at first */
	void *object;     /* the bytes object whose memory it is then, or is to be */
	char *heap;       /* or the memory of C's */
	uint64_t spilled; /* bytes read that the object has no room for: they are in the slab */
	int64_t error;    /* -errno */
	int32_t res[PYURING_STEPS];
	int fd;           /* if files are not opened into the table */
	uint8_t busy;     /* the steps in flight, bit by bit */
	uint8_t next;     /* PYURING_FILE_* */
};

/* Python's memory, filled in by it as far as `places`. */
struct pyuring_files {
	struct pyuring_run run;
	bool direct;          /* the table of registered files is ours, as far as run.depth */
	bool chained;         /* there is room for chains */
	bool adaptive;        /* begin with few files at a time, as long as they are in the page cache */
	uint64_t count;
	const char *paths;    /* each with a zero byte behind it */
	uintptr_t results;    /* the list that gets bytes or, where that failed, -errno */
	uint64_t budget;      /* bytes that it is to hold, about; 0 = all of them */
	char *slab;           /* run.depth places of PYURING_FILE_STRIDE */
	struct pyuring_file *places; /* run.depth of them, as of the next four */
	uint32_t *idle;
	uint32_t *again;      /* to go on with */
	uint32_t *unopened;   /* which there was no descriptor for */
	uint32_t *ready;      /* which Python's lock is needed for */

	uint32_t idle_count;
	uint32_t again_count;
	uint32_t unopened_count;
	uint32_t ready_count;
	uint32_t window;      /* how many files at a time */
	uint32_t opened;      /* places that ever were */
	bool grows;           /* among those that are ready one is not done */
	bool full;            /* of the budget: begin nothing more */
	uint64_t next;        /* the first file that was not begun */
	uint64_t left;        /* the first file that was left for later, for lack of budget */
	uint64_t held;        /* bytes in the list, and on their way there */
	uint64_t unsubmitted; /* bytes to be read by what was prepared since the last submission */
	uint64_t failed;
};

/* While files are in the page cache, one submission reads them all, and a few stay in the
 * processor's cache until they are handed over; a disk likes to have many to choose from. */
#define PYURING_FILES_WARM 16

static void pyuring_file_idle(struct pyuring_files *f, struct pyuring_file *file)
{
	file->next = PYURING_FILE_IDLE;
	f->idle[f->idle_count++] = (uint32_t)(file - f->places);
}

static void pyuring_file_now(struct pyuring_files *f, struct pyuring_file *file, uint8_t next)
{
	uint32_t place = (uint32_t)(file - f->places);

	/* An object has the length that the file should have: the next read should find its end. */
	if (next == PYURING_FILE_READ && file->done >= file->room && (!file->object || file->spilled))
		next = PYURING_FILE_GROW;
	file->next = next;
	if (next >= PYURING_FILE_GROW) {
		f->grows |= next == PYURING_FILE_GROW;
		f->ready[f->ready_count++] = place;
	} else
		f->again[f->again_count++] = place;
}

static void pyuring_file_close(struct pyuring_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

#include "file_results.h"

static void pyuring_file_failed(struct pyuring_files *f, struct pyuring_file *file, int32_t res)
{
	file->error = res;
	pyuring_file_now(f, file, PYURING_FILE_DONE);
}

/* How many files are begun and not done. */
static uint32_t pyuring_files_busy(const struct pyuring_files *f)
{
	return f->run.depth - f->idle_count - f->ready_count;
}

static void pyuring_file_not_opened(struct pyuring_files *f, struct pyuring_file *file, int32_t res)
{
	uint32_t others = pyuring_files_busy(f) - f->unopened_count - 1;

	if (res == -EINTR && !f->run.stopped)
		pyuring_file_now(f, file, PYURING_FILE_OPEN);
	else if ((res == -EMFILE || res == -ENFILE) && others && !f->run.stopped) {
		/* There are fewer descriptors than we thought: wait for one of ours. */
		f->window = others;
		f->adaptive = false;
		file->next = PYURING_FILE_OPEN;
		f->unopened[f->unopened_count++] = (uint32_t)(file - f->places);
	} else
		pyuring_file_failed(f, file, res);
}

/* All that was in flight for `file` is complete: what it came to. */
static void pyuring_file_settle(struct pyuring_files *f, struct pyuring_file *file, uint8_t steps)
{
	const int32_t *res = file->res;

	if (steps & 1 << PYURING_STEP_OPEN) {
		if (res[PYURING_STEP_OPEN] < 0) {
			pyuring_file_not_opened(f, file, res[PYURING_STEP_OPEN]);
			return;
		}
		if (!f->direct)
			file->fd = res[PYURING_STEP_OPEN];
	}
	if (steps == 1 << PYURING_STEP_OPEN)
		pyuring_file_now(f, file, PYURING_FILE_LOOK);
	else if (steps & 1 << PYURING_STEP_GUARD && res[PYURING_STEP_GUARD] < 0)
		pyuring_file_failed(f, file, res[PYURING_STEP_GUARD]);
	else if (!(steps & 1 << PYURING_STEP_READ))
		pyuring_file_now(f, file, PYURING_FILE_READ);
	else if (res[PYURING_STEP_READ] == -EINTR && !f->run.stopped)
		pyuring_file_now(f, file, PYURING_FILE_READ);
	else if (res[PYURING_STEP_READ] < 0)
		pyuring_file_failed(f, file, res[PYURING_STEP_READ]);
	else if (res[PYURING_STEP_READ] == 0)
		pyuring_file_now(f, file, PYURING_FILE_DONE);
	else {
		if (file->done == file->room)
			file->spilled = (uint64_t)res[PYURING_STEP_READ];
		file->done += (uint64_t)res[PYURING_STEP_READ];
		if (steps & 1 << PYURING_STEP_PROOF && res[PYURING_STEP_PROOF] == 1)
			/* It is at the end of the memory, which the read before did not reach. */
			file->memory[file->done++] = file->memory[file->room - 1];
		/* Where the proof failed, a read of more than a byte decides. */
		pyuring_file_now(f, file, steps & 1 << PYURING_STEP_PROOF && res[PYURING_STEP_PROOF] == 0
						  ? PYURING_FILE_DONE
						  : PYURING_FILE_READ);
	}
}

static void pyuring_files_complete(struct pyuring *u, struct pyuring_run *run, uint32_t key,
				   const struct io_uring_cqe *cqe)
{
	struct pyuring_files *f = (struct pyuring_files *)run;
	struct pyuring_file *file = &f->places[key / PYURING_STEPS];

	(void)u;
	file->res[key % PYURING_STEPS] = cqe->res;
	file->busy &= (uint8_t) ~(1 << key % PYURING_STEPS);
	/* The steps that were prepared are in the high half. */
	if ((file->busy & 0xf) == 0) {
		uint8_t steps = file->busy >> 4;

		file->busy = 0;
		pyuring_file_settle(f, file, steps);
	}
}

static bool pyuring_files_is_busy(const struct pyuring_run *run, uint32_t key)
{
	const struct pyuring_files *f = (const struct pyuring_files *)run;

	return f->places[key / PYURING_STEPS].busy & 1 << key % PYURING_STEPS;
}

static void pyuring_file_add(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file,
			     struct io_uring_sqe *sqe, unsigned step, unsigned flags)
{
	file->busy |= (uint8_t)(0x11 << step);
	if (f->direct && step != PYURING_STEP_OPEN)
		flags |= IOSQE_FIXED_FILE;
	pyuring_run_track(u, &f->run, sqe, (uint32_t)(file - f->places) * PYURING_STEPS + step, flags);
}

static void pyuring_file_add_open(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file, unsigned flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	uint32_t place = (uint32_t)(file - f->places);
	/* A pipe is not to be waited for, and a terminal not to become ours. */
	int mode = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE;

	if (f->direct)
		io_uring_prep_openat_direct(sqe, AT_FDCWD, file->path, mode, 0, place);
	else
		io_uring_prep_openat(sqe, AT_FDCWD, file->path, mode | O_CLOEXEC, 0);
	if (place >= f->opened)
		f->opened = place + 1;
	pyuring_file_add(u, f, file, sqe, PYURING_STEP_OPEN, flags);
}

/* Read up to `length` bytes, from where the last read ended. */
static void pyuring_file_add_read(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file, unsigned step,
				  char *memory, uint64_t length, unsigned flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	int fd = f->direct ? (int)(file - f->places) : file->fd;

	if (length > PYURING_FILE_PIECE)
		length = PYURING_FILE_PIECE;
	io_uring_prep_read(sqe, fd, memory, (unsigned)length, (uint64_t)-1);
	f->unsubmitted += length;
	pyuring_file_add(u, f, file, sqe, step, flags);
}

/* What follows the opening. */
static void pyuring_file_add_look(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	int fd = f->direct ? (int)(file - f->places) : file->fd;

	io_uring_prep_fadvise(sqe, fd, 0, 0, POSIX_FADV_NORMAL);
	pyuring_file_add(u, f, file, sqe, PYURING_STEP_GUARD, f->chained ? IOSQE_IO_LINK : 0);
	if (!f->chained)
		return;
	/* Hard, because a soft link takes a short read for a failure. */
	pyuring_file_add_read(u, f, file, PYURING_STEP_READ, file->memory, file->room - 1, IOSQE_IO_HARDLINK);
	pyuring_file_add_read(u, f, file, PYURING_STEP_PROOF, file->memory + file->room - 1, 1, 0);
}

static void pyuring_file_prepare(struct pyuring *u, struct pyuring_files *f, struct pyuring_file *file)
{
	if (file->next == PYURING_FILE_READ) {
		bool fits = file->done < file->room;

		pyuring_file_add_read(u, f, file, PYURING_STEP_READ, fits ? file->memory + file->done : file->place,
				      fits ? file->room - file->done : PYURING_FILE_ROOM, 0);
		return;
	}
	if (file->next == PYURING_FILE_OPEN)
		pyuring_file_add_open(u, f, file, f->direct && f->chained ? IOSQE_IO_LINK : 0);
	if (file->next == PYURING_FILE_LOOK || (f->direct && f->chained))
		pyuring_file_add_look(u, f, file);
}

static void pyuring_file_begin(struct pyuring *u, struct pyuring_files *f)
{
	uint32_t place = f->idle[--f->idle_count];
	struct pyuring_file *file = &f->places[place];

	file->index = f->next++;
	file->path = f->paths;
	f->paths += strlen(f->paths) + 1;
	file->memory = file->place = f->slab + (size_t)place * PYURING_FILE_STRIDE;
	file->room = PYURING_FILE_ROOM;
	file->done = 0;
	file->object = NULL;
	file->heap = NULL;
	file->spilled = 0;
	file->error = 0;
	file->fd = -1;
	file->next = PYURING_FILE_OPEN;
	pyuring_file_prepare(u, f, file);
}

/* More files at a time while they keep each other waiting, fewer while none has to wait. */
static void pyuring_files_adapt(struct pyuring_files *f)
{
	uint32_t busy = pyuring_files_busy(f);

	if (!f->adaptive)
		return;
	if (busy == 0 && f->window > PYURING_FILES_WARM)
		f->window -= (f->window - PYURING_FILES_WARM + 3) / 4;
	else if (busy > f->window / 2)
		f->window *= 2;
	if (f->window > f->run.depth)
		f->window = f->run.depth;
}

/* Descriptors are closed by a system call: a worker's could be lost with a run that is stopped. */
static void pyuring_files_close_done(struct pyuring_files *f)
{
	uint32_t i;

	for (i = 0; !f->direct && i < f->ready_count; i++)
		if (f->places[f->ready[i]].next == PYURING_FILE_DONE)
			pyuring_file_close(&f->places[f->ready[i]]);
}

/* The SQEs that going on with a file takes at most, opening it included. */
#define PYURING_FILE_SQES 4

static int pyuring_files_fill(struct pyuring *u, struct pyuring_run *run)
{
	struct pyuring_files *f = (struct pyuring_files *)run;
	unsigned need = f->chained ? PYURING_FILE_SQES : 1;
	int state;

	f->unsubmitted = 0;
	pyuring_files_close_done(f);
	pyuring_files_adapt(f);
	if (f->grows || f->ready_count >= PYURING_FILES_WARM || f->idle_count == 0 || run->in_flight == 0)
		pyuring_files_hand_over(f);
	for (;;) {
		uint32_t busy = pyuring_files_busy(f) - f->unopened_count;
		bool begins = f->next < f->count && !f->full && f->idle_count;

		if (f->again_count == 0 && (busy >= f->window || !(f->unopened_count || begins)))
			/* What is in flight may have to be gone on with. */
			return run->in_flight ? PYURING_RUN_FULL : PYURING_RUN_ISSUED;
		if (!pyuring_run_has_room(u, need, &state))
			return state;
		if (f->unsubmitted >= PYURING_FILE_SUBMISSION)
			return PYURING_RUN_SUBMIT;
		if (f->again_count)
			pyuring_file_prepare(u, f, &f->places[f->again[--f->again_count]]);
		else if (f->unopened_count)
			pyuring_file_prepare(u, f, &f->places[f->unopened[--f->unopened_count]]);
		else
			pyuring_file_begin(u, f);
	}
}

/* Begin the run that `f` describes. */
static int pyuring_files_begin(struct pyuring *u, struct pyuring_files *f)
{
	uint32_t i;

	f->next = f->held = f->failed = 0;
	f->again_count = f->ready_count = f->unopened_count = f->opened = 0;
	f->grows = f->full = false;
	f->idle_count = f->run.depth;
	f->left = UINT64_MAX;
	for (i = 0; i < f->run.depth; i++) {
		f->idle[i] = f->run.depth - 1 - i;
		f->places[i].next = PYURING_FILE_IDLE;
	}
	f->window = f->adaptive && f->run.depth > PYURING_FILES_WARM ? PYURING_FILES_WARM : f->run.depth;
	f->chained = u->limit >= PYURING_FILE_SQES && u->ring.sq.ring_entries >= PYURING_FILE_SQES;
	f->direct &= f->chained;
	f->run.keys = f->run.depth * PYURING_STEPS;
	f->run.fill = pyuring_files_fill;
	f->run.complete = pyuring_files_complete;
	f->run.is_busy = pyuring_files_is_busy;
	return pyuring_run_begin(u, &f->run);
}

/* Let go of what a run leaves, also one that was stopped: nothing of it is in flight. The
 * places in the table are emptied, so that no file stays open behind them. */
static int pyuring_files_end(struct pyuring *u, struct pyuring_files *f)
{
	int none[64], error = 0;
	uint32_t i;

	if (f->run.in_flight)
		return -EBUSY;
	pyuring_files_drop(f);
	for (i = 0; i < f->opened; i++)
		pyuring_file_close(&f->places[i]);
	if (!f->direct)
		return 0;
	if (!pyuring_is_mine(u))
		return PYURING_NOT_YOURS;
	pyuring_settle(u);
	memset(none, -1, sizeof(none));
	for (i = 0; i < f->opened && error >= 0; i += 64)
		error = io_uring_register_files_update(&u->ring, i, none, f->opened - i < 64 ? f->opened - i : 64);
	if (error >= 0)
		f->opened = 0;
	return error < 0 ? error : 0;
}

#endif
